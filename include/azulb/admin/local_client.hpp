// The other end of the admin interface: asks a running azulb, for the commands.
#pragma once

#include <string>
#include <string_view>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"

namespace azulb::admin {

struct LocalReply {
  int status = 0;
  std::string body;
};

/// Blocking. Each request has a connection of its own, so that azulb may be restarted between two of them.
class LocalClient {
 public:
  /// `address` as in the configuration: an address that means "any" is asked at loopback. `token`: may be
  /// empty.
  LocalClient(base::HostPort address, std::string token);

  /// The error says that nobody answers there, or not as azulb does, and what to do.
  base::Result<LocalReply> get(std::string_view path) const { return ask("GET", path, {}); }
  base::Result<LocalReply> post(std::string_view path, std::string_view json) const {
    return ask("POST", path, json);
  }
  const base::HostPort& address() const { return address_; }

 private:
  base::Result<LocalReply> ask(std::string_view method, std::string_view path, std::string_view json) const;

  base::HostPort address_;
  std::string token_;
};

}  // namespace azulb::admin
