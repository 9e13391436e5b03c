// What OpenSSL asks during a client's handshake.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "azulb/tls/handle.hpp"
#include "azulb/tls/ticket_keys.hpp"
#include "server_names.hpp"

namespace azulb::tls {

struct ServerParts {
  ServerNames names;
  std::vector<ContextHandle> contexts;      // the first: of connections that have named no host (yet)
  std::string protocols;                    // ALPN's wire form
  std::vector<std::string> ocsp_responses;  // by certificate; empty: none
  TicketKeys ticket_keys;
};

/// Lets `context` ask `parts`, which outlive it.
void set_callbacks(SSL_CTX* context, ServerParts& parts, bool session_tickets);

/// Remembers which of the listener's certificates this is, for its stapled response.
bool set_certificate_index(X509* certificate, std::size_t index);

}  // namespace azulb::tls
