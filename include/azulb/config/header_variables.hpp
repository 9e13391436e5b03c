// What the values of header rules may name in braces.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace azulb::config {

enum class HeaderVariable : std::uint8_t {
  client_ip,
  host,    // asked for, without its port
  scheme,  // http or https
  method,
  path,   // in its normal form
  query,  // without "?"
  request_id,
  listener,
  route,
  upstream,  // empty where azulb answers itself
  server,    // of the latest attempt; empty where there was none
  status,    // of responses only; the last one here
};

inline constexpr std::array<std::string_view, 12> header_variables = {
    "client_ip",  "host",     "scheme", "method",   "path",   "query",
    "request_id", "listener", "route",  "upstream", "server", "status"};
static_assert(header_variables.size() == static_cast<std::size_t>(HeaderVariable::status) + 1);

}  // namespace azulb::config
