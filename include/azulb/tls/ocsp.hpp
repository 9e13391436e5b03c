// A CA's word that a certificate of azulb's stands (RFC 6960), which the handshake shows to clients.
#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <string>

#include "azulb/base/result.hpp"

namespace azulb::tls {

struct OcspResponse {
  std::string der;
  std::int64_t valid_from_s;   // Unix time; OCSP's thisUpdate
  std::int64_t valid_until_s;  // nextUpdate
};

/// A response of at most 64 KiB in DER form, in a regular file, that says "good" of `certificate` and until
/// when. Its signature is the clients' to verify. The error names the file.
base::Result<OcspResponse> read_ocsp_response(const std::string& path, const X509& certificate);

/// Whether the file is an OCSP response at all: what can be said before it is known of which certificate, and
/// what no later time mends.
base::Result<void> check_ocsp_response(const std::string& path);

}  // namespace azulb::tls
