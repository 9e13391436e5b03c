// Certificates made in memory, written to a directory of the test's own, and TLS sessions over socket pairs.
#pragma once

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "azulb/tls/client_context.hpp"
#include "azulb/tls/handle.hpp"
#include "azulb/tls/server_context.hpp"
#include "azulb/tls/session.hpp"

namespace azulb::test {

/// A directory that goes with the object.
class Directory {
 public:
  Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory();

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, std::string_view text) const;

 private:
  std::filesystem::path path_;
};

/// A certificate and its key, as PEM text.
struct Made {
  tls::CertificateHandle certificate;
  tls::KeyHandle key;
  std::string pem;
  std::string key_pem;
};

/// `names` as "DNS:a.test,IP:127.0.0.1", empty: none; `kind` "EC" or "RSA"; `issuer` null: self-signed.
Made make_certificate(const std::string& subject, const std::string& names, const std::string& kind = "EC",
                      const Made* issuer = nullptr, long lifetime_s = 3600);

/// A certificate of its own name, and a key, in a directory: what a context is built from.
struct Identity {
  explicit Identity(const std::string& names = "DNS:a.test", const std::string& kind = "EC",
                    long lifetime_s = 3600);
  tls::CertificateFiles files() const { return {certificate, key, ""}; }

  Directory directory;
  Made made;
  std::string certificate;
  std::string key;
};

/// Both ends of a TLS connection over a pair of sockets.
struct Ends {
  Ends(std::unique_ptr<tls::Session> server_session, std::unique_ptr<tls::Session> client_session);
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  ~Ends();

  /// True if both have finished the handshake; false if one has failed.
  bool shake_hands() const;
  /// No more than the kernel's least.
  void shrink_buffers() const;

  std::unique_ptr<tls::Session> server;
  std::unique_ptr<tls::Session> client;
  int server_descriptor;
  int client_descriptor;
};

/// What one read gives.
std::string read_some(tls::Session& session);
/// Reads until there is nothing, or `limit` bytes have come.
std::string read_all(tls::Session& session, std::size_t limit = SIZE_MAX);

}  // namespace azulb::test
