// Request targets (RFC 9112 section 3.2) and authorities (RFC 9110 section 7.2).
#pragma once

#include <cstdint>
#include <string_view>

#include "azulb/http/defect.hpp"
#include "azulb/http/head.hpp"

namespace azulb::http {

enum class TargetForm : std::uint8_t { origin, absolute, asterisk };

struct Target {
  TargetForm form = TargetForm::origin;
  std::string_view scheme;     // absolute-form only, as it came
  std::string_view authority;  // absolute-form only: host[:port]
  /// Begins with "/", or is "*"; "/" (or "*" for OPTIONS) for an absolute-form without one. As it came until
  /// StoredRequest::normalise_path, from there on in its normal form (normal_path.hpp).
  std::string_view path;
  std::string_view query;   // with its "?"; empty where there is none
  bool path_normal = true;  // the path is in its normal form

  /// The query without its "?".
  std::string_view query_string() const { return query.empty() ? query : query.substr(1); }
};

/// Not empty and only bytes that may be in a target: no control byte, space, "#" (a fragment) or byte over
/// 0x7E. Other visible bytes pass as they are: browsers send some that RFC 3986 would have percent-encoded.
/// http1::HeadParser accepts only such targets.
bool is_target_text(std::string_view text);

/// Splits a target whose bytes have been judged. Takes origin-form, absolute-form with http or https and
/// without user information, and "*" for OPTIONS only, with a path that has a normal form; else `bad_target`.
Defect parse_target(Method method, std::string_view text, Target& target);

/// A Host value or an authority split in its parts; views.
struct Authority {
  std::string_view host;  // an IPv6 address keeps its brackets
  std::string_view port;  // digits, or empty
};

/// uri-host [":" port]: a name of letters, digits, "-._~" and valid percent-encodings, an IPv4
/// or a bracketed IPv6 address; port at most 65535. False when malformed. Empty text is malformed.
bool parse_authority(std::string_view text, Authority& authority);

/// Whether the query (without "?") has a key `_method`, percent-decoded ("%5Fmethod"), with "&" or ";"
/// between pairs. Azu lets such a key override the method, so the request is not idempotent.
bool has_method_override(std::string_view query_string);

}  // namespace azulb::http
