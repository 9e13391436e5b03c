// The bodies of azulb's own answers: one line of text, or JSON for clients that accept only that.
#pragma once

#include <cstddef>
#include <string_view>

#include "azulb/http/head.hpp"

namespace azulb::http {

/// Whether the Accept fields take application/json (or another +json) and neither text/plain, text/* nor */*.
bool accepts_only_json(const RequestHead& head);

struct LocalBody {
  std::string_view content_type;  // a constant
  std::size_t length = 0;         // bytes written
};

/// Enough for any body that write_local_body makes: `detail` is cut to 200 bytes, an id to
/// max_request_id_length.
inline constexpr std::size_t local_body_capacity = 2048;

/// "502 Bad Gateway\n", or "502 Bad Gateway: <detail>\n", or {"status":502,"error":"Bad
/// Gateway","detail":"...", "request_id":"..."}. Detail and request id may be empty; hostile bytes are
/// escaped (JSON) or become "?" (text).
LocalBody write_local_body(int status, std::string_view detail, std::string_view request_id, bool json,
                           char (&out)[local_body_capacity]);

}  // namespace azulb::http
