// Judges a head: where its body ends, whether the connection persists, who is asked, what is expected
// (RFC 9112 sections 3.2, 6 and 9; RFC 9110 sections 7.2, 7.8, 8.6 and 10.1.1). One pass over the fields.
#pragma once

#include <cstdint>
#include <string_view>

#include "azulb/http/defect.hpp"
#include "azulb/http/head.hpp"
#include "azulb/http/target.hpp"

namespace azulb::http {

enum class BodyKind : std::uint8_t { none, length, chunked, until_close };

struct RequestInfo {
  BodyKind body = BodyKind::none;    // never until_close; `length` may have length 0
  std::uint64_t content_length = 0;  // for BodyKind::length
  Target target;
  std::string_view host;    // the authority asked for: absolute-form's, else Host's; may be empty in HTTP/1.0
  Authority authority;      // `host` in its parts
  bool keep_alive = false;  // the client lets the connection persist (RFC 9112 section 9.3)
  bool expect_continue = false;   // Expect: 100-continue in HTTP/1.1 with a body
  bool accepts_trailers = false;  // TE: trailers
  bool method_override = false;   // see has_method_override
  bool idempotent = false;        // method is, and nothing overrides it
  /// The protocol to switch to, such as "websocket"; empty for an ordinary request. Only for a GET in
  /// HTTP/1.1 without body, with "upgrade" in Connection, and not for h2c; anything else goes on as an
  /// ordinary request.
  std::string_view upgrade;
  bool websocket = false;  // `upgrade` is websocket (any case), and key and version have been checked
};

/// Fills `info`. The result says why the request must be refused; `info.keep_alive` is false then, and as
/// much is filled as was known. The body limit (413) is left to the caller.
Defect judge_request(const RequestHead& head, RequestInfo& info);

struct ResponseInfo {
  BodyKind body = BodyKind::none;  // what follows the head in the server's bytes
  std::uint64_t content_length = 0;
  /// What the head announces to the client: differs from `body` for HEAD and 304, where a length is told but
  /// no body follows.
  BodyKind announced = BodyKind::none;
  bool keep_alive = false;                 // the server lets the connection persist after this response
  bool interim = false;                    // 1xx other than 101: another head follows
  bool switching = false;                  // 101
  std::uint32_t keep_alive_timeout_s = 0;  // Keep-Alive: timeout=N hint in seconds; 0 = none
};

/// Judges a response to a request with `method`. A 101 is to be checked with check_upgrade_response besides.
Defect judge_response(const ResponseHead& head, Method method, ResponseInfo& info);

/// 1*DIGIT up to 2^63 - 1, no sign, no list (RFC 9110 section 8.6). False when it is anything else.
bool parse_content_length(std::string_view text, std::uint64_t& length);

}  // namespace azulb::http
