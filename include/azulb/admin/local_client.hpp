// The other end of the admin interface: asks a running azulb, for the commands.
#pragma once

#include <string>
#include <string_view>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/base/units.hpp"

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
  base::Result<LocalReply> get(std::string_view path) const { return ask("GET", path, {}, default_limit); }
  /// `limit`: how long to wait for the answer.
  base::Result<LocalReply> post(std::string_view path, std::string_view json,
                                base::Milliseconds limit = default_limit) const {
    return ask("POST", path, json, limit);
  }
  const base::HostPort& address() const { return address_; }

 private:
  static constexpr base::Milliseconds default_limit{10'000};

  base::Result<LocalReply> ask(std::string_view method, std::string_view path, std::string_view json,
                               base::Milliseconds limit) const;

  base::HostPort address_;
  std::string token_;
};

}  // namespace azulb::admin
