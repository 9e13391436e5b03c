// Certificates, keys and the like from PEM and DER files, with errors that name the file and the remedy.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/tls/handle.hpp"

namespace azulb::tls {

/// A certificate with its chain and its private key.
struct Credentials {
  CertificateHandle certificate;
  std::vector<CertificateHandle> chain;  // what the file has behind the first certificate
  KeyHandle key;
};

/// Reads both PEM files and holds them against each other.
base::Result<Credentials> read_credentials(const std::string& certificate_path, const std::string& key_path);

/// The host names a certificate is for, in lower case, "*.example.com" among them: its alternative names, or
/// without any its common name.
std::vector<std::string> host_names(X509& certificate);

/// A digest of what the files hold, to tell whether they have changed; empty: it cannot be told. Empty paths
/// are left out, and one that cannot be read counts as empty: whoever needs the file says so.
std::string content_digest(const std::vector<std::string>& paths);

/// Whether the file is a bundle of CA certificates.
base::Result<void> check_bundle(const std::string& path);

/// Whether each element of an OpenSSL cipher list for TLS 1.2 names something.
base::Result<void> check_ciphers(const std::string& ciphers);

}  // namespace azulb::tls
