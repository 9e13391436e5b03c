// What can be wrong with a message, as one closed list: the status it is answered with and the word it is
// logged with.
#pragma once

#include <cstdint>
#include <string_view>

namespace azulb::http {

/// Verdict on a message, from the parsers (http1) and the rules (http). `none` is zero: nothing is wrong.
enum class Defect : std::uint8_t {
  none,
  // bytes (RFC 9112 sections 2.2, 3, 4, 5)
  bare_lf,
  bare_cr,
  control_byte,
  empty_line,
  bad_method,
  bad_target,
  bad_version,
  unsupported_version,
  bad_status_line,
  obs_fold,
  empty_field_name,
  bad_field_name,
  space_before_colon,
  missing_colon,
  // limits
  request_line_too_long,
  status_line_too_long,
  header_too_large,
  too_many_fields,
  // framing (RFC 9112 section 6, RFC 9110 section 8.6)
  bad_content_length,
  repeated_content_length,
  bad_transfer_encoding,
  length_and_transfer_encoding,
  transfer_encoding_in_http10,
  bad_chunk_size,
  chunk_too_large,
  bad_chunk_end,
  bad_chunk_extension,
  chunk_extension_too_long,
  trailer_too_large,
  // routing (RFC 9110 section 7.2, RFC 9112 section 3.2)
  missing_host,
  repeated_host,
  bad_host,
  method_not_allowed,
  bad_expect,
  // HTTP/2 only (RFC 9113 sections 8.1 to 8.3, RFC 8441)
  bad_pseudo_field,
  connection_field,
  bad_field_value,
  length_mismatch,
  unsupported_protocol,
  protocol_error,  // what ended a whole connection to a server, its streams with it
  // upgrade (RFC 9110 section 7.8, RFC 6455 section 4.2.1)
  websocket_bad_key,
  websocket_version,
  bad_upgrade_response,
};

/// The status a client gets for a request with this defect: 400, 405, 414, 417, 426, 431, 501 or 505. 0 for
/// `none`. A server's message with a defect is 502, whichever it is.
int defect_status(Defect defect);

/// One word for logs, such as "bare_lf"; "none" for `none`.
std::string_view defect_word(Defect defect);

}  // namespace azulb::http
