#include "azulb/http/normal_path.hpp"

#include "azulb/http/bytes.hpp"

namespace azulb::http {
namespace {

/// Of the encoding that begins at `at`; -1: it is none.
int decoded_byte(std::string_view path, std::size_t at) {
  if (at + 2 >= path.size()) return -1;
  const int high = hex_value(path[at + 1]);
  const int low = hex_value(path[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

char upper_hex(char digit) {
  return digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit;
}

bool is_dot_segment(std::string_view segment) {
  return is_literal(segment, ".") || is_literal(segment, "..");
}

/// From the slash before it.
std::string_view segment_after(std::string_view path, std::size_t slash) {
  const std::size_t end = path.find('/', slash + 1);
  return path.substr(slash + 1, end == std::string_view::npos ? end : end - slash - 1);
}

/// RFC 3986 section 5.2.4, with empty segments left out, in place: what is written never overtakes what is
/// read. Returns the size.
std::size_t resolve_segments(char* path, std::size_t size) {
  const std::string_view text(path, size);
  std::size_t written = 0;
  bool ends_in_slash = false;
  for (std::size_t slash = 0; slash < size;) {
    const std::string_view segment = segment_after(text, slash);
    slash += 1 + segment.size();
    ends_in_slash = segment.empty() || is_dot_segment(segment);
    if (is_literal(segment, "..")) {
      while (written > 0 && path[--written] != '/') {
      }
    } else if (!ends_in_slash) {
      path[written++] = '/';
      for (const char byte : segment)
        path[written++] = byte;
    }
  }
  if (ends_in_slash || written == 0) path[written++] = '/';
  return written;
}

/// A percent-encoded separator, "%2F" or "%5C" with upper-case digits.
bool is_encoded_separator(std::string_view path, std::size_t at) {
  const std::string_view encoding = path.substr(at, 3);
  return is_literal(encoding, "%2F") || is_literal(encoding, "%5C");
}

}  // namespace

bool may_need_normalising(std::string_view text) {
  char before = 0;
  for (const char byte : text) {
    if (byte == '%' || (before == '/' && (byte == '/' || byte == '.'))) return true;
    before = byte;
  }
  return false;
}

PathForm path_form(std::string_view path) {
  if (!may_need_normalising(path)) return PathForm::normal;
  PathForm form = PathForm::normal;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] == '%') {
      const int byte = decoded_byte(path, at);
      if (byte <= 0) return PathForm::malformed;
      const bool is_upper =
          path[at + 1] == upper_hex(path[at + 1]) && path[at + 2] == upper_hex(path[at + 2]);
      if (is_byte(static_cast<char>(byte), class_host) || !is_upper) form = PathForm::other;
      at += 2;
    } else if (path[at] == '/') {
      const std::string_view segment = segment_after(path, at);
      const bool is_last = at + 1 + segment.size() == path.size();
      if ((segment.empty() && !is_last) || is_dot_segment(segment)) form = PathForm::other;
    }
  }
  return form;
}

std::size_t write_normal_path(std::string_view path, char* out) {
  std::size_t size = 0;
  for (std::size_t at = 0; at < path.size(); ++at) {
    const int byte = path[at] == '%' ? decoded_byte(path, at) : -1;
    if (byte < 0) {
      out[size++] = path[at];
      continue;
    }
    if (is_byte(static_cast<char>(byte), class_host)) {  // RFC 3986's unreserved
      out[size++] = static_cast<char>(byte);
    } else {
      out[size++] = '%';
      out[size++] = upper_hex(path[at + 1]);
      out[size++] = upper_hex(path[at + 2]);
    }
    at += 2;
  }
  return resolve_segments(out, size);
}

bool hides_separators(std::string_view normal_path) {
  for (std::size_t at = 0; at < normal_path.size(); ++at) {
    const char byte = normal_path[at];
    if (byte == '\\' || (byte == '%' && is_encoded_separator(normal_path, at))) return true;
  }
  return false;
}

std::size_t write_separators_decoded(std::string_view normal_path, char* out) {
  std::size_t size = 0;
  for (std::size_t at = 0; at < normal_path.size(); ++at) {
    const bool encoded = normal_path[at] == '%' && is_encoded_separator(normal_path, at);
    out[size++] = encoded || normal_path[at] == '\\' ? '/' : normal_path[at];
    if (encoded) at += 2;
  }
  return resolve_segments(out, size);
}

}  // namespace azulb::http
