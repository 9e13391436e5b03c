// What azulb's end of clients' TLS connections has in common, for one listener.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/tls/session.hpp"

namespace azulb::tls {

enum class Version : std::uint8_t { tls12, tls13 };
enum class ClientVerify : std::uint8_t { off, optional, required };

/// One certificate of a listener, by its files.
struct CertificateFiles {
  std::string certificate;
  std::string key;
  std::string ocsp_response;  // empty: nothing is stapled

  bool operator==(const CertificateFiles&) const = default;
};

struct ServerSettings {
  std::vector<CertificateFiles> certificates;  // the first serves clients that name no host, or none of these
  Version min_version = Version::tls12;
  std::string ciphers;    // of TLS 1.2, an OpenSSL list; empty: Mozilla's "intermediate"
  std::string client_ca;  // a bundle's path
  ClientVerify client_verify = ClientVerify::off;
  bool session_tickets = true;
  std::vector<std::string> application_protocols;  // ALPN, the preferred first
  std::string scope;  // a session is resumed only where this and the rules for clients are the same

  bool operator==(const ServerSettings&) const = default;
};

/// Something for the process log.
struct Notice {
  bool is_warning;
  std::string text;
};

struct ServerParts;

/// Immutable once built, but for the tickets' keys and the responses to staple; shared by all threads.
class ServerContext {
 public:
  /// Reads the files; blocking. `earlier` (or null) is the same listener's so far: it is returned if neither
  /// the settings nor what the files hold has changed; else the tickets' keys go on, so that sessions do.
  static base::Result<std::shared_ptr<ServerContext>> build(
      const ServerSettings& settings, const std::shared_ptr<ServerContext>& earlier = nullptr);
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;
  ~ServerContext();

  /// Reads the OCSP responses whose files have changed, and says what has become of them. Blocking, as
  /// reading a small file is: main, at start (nothing is stapled before) and every second or so. `now_s` is
  /// Unix time.
  std::vector<Notice> refresh_stapled_responses(std::int64_t now_s);

  /// The server's end of a new connection; null if memory is short.
  std::unique_ptr<Session> make_session() const;

 private:
  ServerContext(const ServerSettings& settings, std::string digest, std::shared_ptr<ServerParts> parts);

  const ServerSettings settings_;
  const std::string digest_;  // of the files
  const std::shared_ptr<ServerParts> parts_;
};

}  // namespace azulb::tls
