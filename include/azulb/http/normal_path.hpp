// The one form of a path that routes are matched against and servers get (RFC 3986 section 6.2.2), so that no
// other spelling of a path leads around a route.
//
//   percent-encodings   those of unreserved characters are decoded, the others have upper-case digits
//   "//"                runs of slashes become one
//   "." and ".."        are resolved, a ".." at the root stays there (RFC 3986 section 5.2.4)
//
// An encoding that is none ("%", "%4", "%zz") and "%00" have no normal form. "%2F" and "%5C" are data, not
// slashes, and stay; separators_decoded is for those who must know how a server that decodes first reads
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace azulb::http {

enum class PathForm : std::uint8_t {
  normal,
  other,      // `write_normal_path` brings it into the normal form
  malformed,  // there is none
};

/// Of a path that begins with "/" and has target bytes only.
PathForm path_form(std::string_view path);

/// False only if the text and all its parts are in the normal form: one look at each byte.
bool may_need_normalising(std::string_view text);

/// The normal form of a path that is not malformed. Writes at most path.size() bytes to `out`, which must not
/// overlap `path`, and returns how many. Idempotent.
std::size_t write_normal_path(std::string_view path, char* out);

/// Whether a server might see slashes in a normal path where there are encoded ones or backslashes.
bool hides_separators(std::string_view normal_path);

/// As write_normal_path, of a normal path with "%2F", "%5C" and "\" read as slashes.
std::size_t write_separators_decoded(std::string_view normal_path, char* out);

}  // namespace azulb::http
