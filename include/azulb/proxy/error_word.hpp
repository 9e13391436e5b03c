// Why azulb answered itself or broke off an exchange: one word from a closed list, in the access log's
// `error` field.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace azulb::proxy {

enum class ErrorWord : std::uint8_t {
  none,
  bad_request,         // malformed, RFC 9112
  not_found,           // no route
  method_not_allowed,  // CONNECT, TRACE
  request_timeout,     // head or body did not come in time
  body_too_large,
  header_too_large,  // request line (414) or fields (431)
  expectation_failed,
  upgrade_required,  // WebSocket version
  upstream_connect,
  upstream_tls,  // the handshake failed, such as over the server's certificate
  upstream_timeout,
  upstream_reset,      // closed or reset before the end of the response
  upstream_invalid,    // not a valid response
  upstream_websocket,  // an HTTP/2 server that takes none (RFC 8441)
  no_server,
  queue_full,
  queue_timeout,
  client_closed,  // the client went away first
  draining,
  tunnel_timeout,
  overload,              // memory limit
  too_many_connections,  // of one client
  route_timeout,         // the whole request took longer than its route allows
  internal,
};

struct ErrorWordEntry {
  std::string_view name;
  int status;  // the status azulb answers with unless the place knows better; 0: nothing can be answered
};

/// In the order of the enumeration.
inline constexpr std::array<ErrorWordEntry, 25> error_word_table = {{
    {"none", 0},
    {"bad_request", 400},
    {"not_found", 404},
    {"method_not_allowed", 405},
    {"request_timeout", 408},
    {"body_too_large", 413},
    {"header_too_large", 431},
    {"expectation_failed", 417},
    {"upgrade_required", 426},
    {"upstream_connect", 502},
    {"upstream_tls", 502},
    {"upstream_timeout", 504},
    {"upstream_reset", 502},
    {"upstream_invalid", 502},
    {"upstream_websocket", 502},
    {"no_server", 503},
    {"queue_full", 503},
    {"queue_timeout", 503},
    {"client_closed", 499},  // never sent; what logs and metrics show, as nginx's users know it
    {"draining", 503},
    {"tunnel_timeout", 0},
    {"overload", 503},
    {"too_many_connections", 429},
    {"route_timeout", 504},
    {"internal", 500},
}};
static_assert(error_word_table.size() == static_cast<std::size_t>(ErrorWord::internal) + 1);

constexpr std::string_view error_name(ErrorWord word) {
  return error_word_table[static_cast<std::size_t>(word)].name;
}
constexpr int default_status(ErrorWord word) {
  return error_word_table[static_cast<std::size_t>(word)].status;
}

}  // namespace azulb::proxy
