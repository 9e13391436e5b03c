// What OpenSSL asks during a client's handshake.
#pragma once

#include <openssl/ssl.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "azulb/tls/handle.hpp"
#include "azulb/tls/ticket_keys.hpp"
#include "server_names.hpp"
#include "stapled_response.hpp"

namespace azulb::tls {

struct ServerParts {
  ServerNames names;
  std::vector<ContextHandle> contexts;  // the first: of connections that have named no host (yet)
  std::string protocols;                // ALPN's wire form
  std::deque<StapledResponse> stapled;  // certificates refer to them
  std::shared_ptr<TicketKeys> ticket_keys;
};

/// Lets `context` ask `parts`, which outlive it.
void set_callbacks(SSL_CTX* context, ServerParts& parts, bool session_tickets);

/// What is stapled to a certificate, which `response` outlives.
bool set_stapled_response(X509* certificate, StapledResponse& response);

}  // namespace azulb::tls
