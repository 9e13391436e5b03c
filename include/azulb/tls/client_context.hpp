// What azulb's TLS connections to the servers of one upstream have in common.
#pragma once

#include <memory>
#include <string>
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
};

/// Immutable once built; shared by all threads.
class ClientContext {
 public:
  /// Reads the files; blocking, at start.
  static base::Result<std::shared_ptr<ClientContext>> build(const ClientSettings& settings);

  /// The client's end of a new connection to a server that must prove to be `name`, a host name or an
  /// address; empty: none is asked for, only a chain that is trusted. Null if memory is short.
  std::unique_ptr<Session> make_session(const std::string& name, Resumption& resumption) const;

 private:
  ClientContext(ContextHandle context, bool verify) : context_(std::move(context)), verify_(verify) {}

  const ContextHandle context_;
  const bool verify_;
};

}  // namespace azulb::tls
