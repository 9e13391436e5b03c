// Hostile bytes made safe for logs. Both functions write at most `limit_bytes` (at least 16) to `out` and
// return the end of what they wrote; a text that does not fit is cut between characters and marked. They
// allocate nothing.
#pragma once

#include <cstddef>
#include <string_view>

namespace azulb::base {

/// The inside of a JSON string (RFC 8259 section 7), always valid UTF-8: well-formed UTF-8 stays, a byte that
/// is not part of it becomes \u00XX with the byte's value, control characters, the quote and the backslash
/// are escaped. Cut: "…".
char* escape_json(std::string_view text, char* out, std::size_t limit_bytes);

/// As nginx escapes its log variables: \xXX for bytes below 0x20, above 0x7E, the quote and the backslash.
/// Cut: "...".
char* escape_log_text(std::string_view text, char* out, std::size_t limit_bytes);

}  // namespace azulb::base
