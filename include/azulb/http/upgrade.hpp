// Protocol upgrade (RFC 9110 section 7.8) and the WebSocket handshake (RFC 6455 sections 4.1 and 4.2.1).
#pragma once

#include <array>
#include <string_view>

#include "azulb/http/defect.hpp"
#include "azulb/http/head.hpp"

namespace azulb::http {

/// Version 13 (else `websocket_version`), exactly one key that is the base64 of 16 bytes (else
/// `websocket_bad_key`). Called by judge_request.
Defect check_websocket_request(const RequestHead& head);

/// What Sec-WebSocket-Accept must be for a key: 28 characters.
std::array<char, 28> websocket_accept(std::string_view key);

/// Checks a 101: the request asked for `upgrade` (not empty), Connection has "upgrade", Upgrade is the
/// protocol asked for, no body is announced; for websocket Sec-WebSocket-Accept fits `websocket_key` (the
/// request's; empty for other protocols). Else `bad_upgrade_response`.
Defect check_upgrade_response(const ResponseHead& head, std::string_view upgrade,
                              std::string_view websocket_key);

}  // namespace azulb::http
