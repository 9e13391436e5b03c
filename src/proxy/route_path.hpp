// The readings of a path that routes are matched against.
#pragma once

#include <string>
#include <string_view>

namespace azulb::proxy {

struct PathReadings {
  /// Percent-encodings with upper-case digits, those of unreserved characters decoded (RFC 3986
  /// sections 6.2.2.1 and 6.2.2.2): the same path to every server that follows the standard.
  std::string_view spelled;
  /// Every percent-encoding decoded once, runs of slashes merged, "." and ".." resolved: what a lax server
  /// may make of it.
  std::string_view resolved;

  bool agree() const {
    const bool same = spelled.data() == resolved.data() && spelled.size() == resolved.size();
    return same || spelled == resolved;
  }
};

/// Where the readings are kept; reused, so that a warm one allocates nothing.
struct PathScratch {
  std::string spelled;
  std::string resolved;
};

/// Views into `path` where it needs no rewriting (nearly always), else into `scratch`; valid until its next
/// use.
PathReadings read_path(std::string_view path, PathScratch& scratch);

}  // namespace azulb::proxy
