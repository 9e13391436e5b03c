// What azulb's TLS connections to the servers of one upstream have in common.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/tls/session.hpp"

namespace azulb::tls {

struct ClientSettings {
  bool verify = true;
  std::string ca;           // a bundle's path; empty: the system's
  std::string certificate;  // azulb's own, with `key`; empty: none
  std::string key;
  std::vector<std::string> application_protocols;  // ALPN, the preferred first; empty: not asked

  bool operator==(const ClientSettings&) const = default;
};

/// Immutable once built; shared by all threads.
class ClientContext {
 public:
  /// Reads the files; blocking. `earlier` (or null) is the same upstream's so far: it is returned if neither
  /// the settings nor what the files hold has changed.
  static base::Result<std::shared_ptr<ClientContext>> build(
      const ClientSettings& settings, const std::shared_ptr<ClientContext>& earlier = nullptr);

  /// The client's end of a new connection to a server that must prove to be `name`, a host name or an
  /// address; empty: none is asked for, only a chain that is trusted. Null if memory is short.
  std::unique_ptr<Session> make_session(const std::string& name, Resumption& resumption) const;

 private:
  ClientContext(const ClientSettings& settings, std::string digest, ContextHandle context)
      : settings_(settings), digest_(std::move(digest)), context_(std::move(context)) {}

  const ClientSettings settings_;
  const std::string digest_;  // of the files
  const ContextHandle context_;
};

}  // namespace azulb::tls
