// What every context of azulb's has in common.
#pragma once

#include <string>
#include <vector>

#include "azulb/tls/files.hpp"
#include "azulb/tls/handle.hpp"

namespace azulb::tls {

/// Mozilla's "intermediate" recommendation (Server Side TLS 5.7), in its order; of TLS 1.2, and of TLS 1.3.
inline constexpr const char* default_ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305";
inline constexpr const char* tls13_ciphers =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
inline constexpr const char* key_exchange_groups = "X25519:P-256:P-384";

/// Renegotiation and compression off; what is sent may be given again from elsewhere; reads take what the
/// socket has, not a record's five first bytes; buffers are given back when a connection falls quiet; of its
/// own chain a side shows what its file has, not what else it trusts.
bool set_defaults(SSL_CTX* context);

/// Lets `context` prove itself with these, beside such of another kind of key that it has already.
bool use_credentials(SSL_CTX* context, const Credentials& credentials);

/// ALPN's wire form: each name behind its length (RFC 7301 section 3.1).
std::string protocol_list(const std::vector<std::string>& protocols);

}  // namespace azulb::tls
