#include "route_path.hpp"

#include "azulb/http/bytes.hpp"

namespace azulb::proxy {
namespace {

bool is_encoding(std::string_view path, std::size_t at) {
  return path[at] == '%' && at + 2 < path.size() && http::hex_value(path[at + 1]) >= 0 &&
         http::hex_value(path[at + 2]) >= 0;
}

char decoded(std::string_view path, std::size_t at) {
  return static_cast<char>(http::hex_value(path[at + 1]) * 16 + http::hex_value(path[at + 2]));
}

char upper_hex(char digit) {
  return digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit;
}

bool has_two_readings(std::string_view path) {
  if (path.find('%') != std::string_view::npos) return true;
  for (std::size_t slash = path.find('/'); slash + 1 < path.size(); slash = path.find('/', slash + 1)) {
    if (path[slash + 1] == '/' || path[slash + 1] == '.') return true;
  }
  return false;
}

void spell(std::string_view path, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (!is_encoding(path, at)) {
      out += path[at];
      continue;
    }
    // class_host is RFC 3986's unreserved.
    if (const char byte = decoded(path, at); http::is_byte(byte, http::class_host)) {
      out += byte;
    } else {
      out += '%';
      out += upper_hex(path[at + 1]);
      out += upper_hex(path[at + 2]);
    }
    at += 2;
  }
}

void decode(std::string_view path, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (is_encoding(path, at)) {
      out += decoded(path, at);
      at += 2;
    } else {
      out += path[at];
    }
  }
}

/// RFC 3986 section 5.2.4, with empty segments left out, in place: what is written never overtakes what is
/// read. The path begins with "/".
void resolve_segments(std::string& path) {
  std::size_t written = 0;
  std::size_t at = 0;
  bool ends_in_slash = false;
  while (at < path.size()) {
    ++at;  // the slash
    std::size_t end = path.find('/', at);
    if (end == std::string::npos) end = path.size();
    const std::string_view segment(path.data() + at, end - at);
    ends_in_slash = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      const std::size_t slash = std::string_view(path.data(), written).rfind('/');
      written = slash == std::string_view::npos ? 0 : slash;
    } else if (!ends_in_slash) {
      path[written++] = '/';
      for (std::size_t index = at; index < end; ++index)
        path[written++] = path[index];
    }
    at = end;
  }
  if (ends_in_slash || written == 0) path[written++] = '/';
  path.resize(written);
}

}  // namespace

PathReadings read_path(std::string_view path, PathScratch& scratch) {
  if (!path.starts_with('/') || !has_two_readings(path)) return {path, path};
  spell(path, scratch.spelled);
  decode(path, scratch.resolved);
  resolve_segments(scratch.resolved);
  return {scratch.spelled, scratch.resolved};
}

}  // namespace azulb::proxy
