// The normal form of a path: idempotent, never longer, without dot segments, empty segments and encodings of
// unreserved characters; and what a server that decodes everything first makes of it is what it makes of the
// path as it came.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "azulb/http/bytes.hpp"
#include "azulb/http/normal_path.hpp"
#include "azulb/http/target.hpp"
#include "splitter.hpp"

namespace azulb::fuzz {
namespace {

using http::PathForm;

/// The result in a heap block of the size that it may take.
template <typename Write>
std::string written(std::string_view path, Write write) {
  const Exact from(path);
  const auto room = std::make_unique<char[]>(path.size());
  const std::size_t size = write(from.view(), room.get());
  FUZZ_CHECK(size > 0 && size <= path.size());
  return {room.get(), size};
}

void check_segments(std::string_view path) {
  FUZZ_CHECK(path.front() == '/');
  for (std::size_t slash = 0; slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const std::string_view rest = path.substr(slash + 1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    FUZZ_CHECK(segment != "." && segment != "..");
    FUZZ_CHECK(!segment.empty() || rest.empty());
  }
}

std::string decoded(std::string_view path) {
  std::string out;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] != '%') {
      out += path[at];
      continue;
    }
    out += static_cast<char>(http::hex_value(path[at + 1]) * 16 + http::hex_value(path[at + 2]));
    at += 2;
  }
  return out;
}

bool brings_up_separators(std::string_view path) {
  const std::string text = decoded(path);
  return text.find('\\') != std::string::npos ||
         std::count(text.begin(), text.end(), '/') != std::count(path.begin(), path.end(), '/');
}

/// By the book, with as many copies as it takes: RFC 3986 section 5.2.4 on a text without empty segments.
std::string resolved(std::string_view path) {
  std::string out;
  bool ends_in_slash = false;
  for (std::size_t slash = 0; slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const std::string_view rest = path.substr(slash + 1);
    const std::string segment(rest.substr(0, rest.find('/')));
    ends_in_slash = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") out.resize(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
    if (!ends_in_slash) out += "/" + segment;
  }
  return ends_in_slash ? out + "/" : out;
}

void check_path(std::string_view path) {
  const PathForm form = http::path_form(path);
  if (form == PathForm::malformed) {
    FUZZ_CHECK(path.find('%') != std::string_view::npos);
    return;
  }
  if (form == PathForm::other) FUZZ_CHECK(http::may_need_normalising(path));
  const std::string normal = written(path, http::write_normal_path);
  FUZZ_CHECK((normal == path) == (form == PathForm::normal));
  FUZZ_CHECK(http::path_form(normal) == PathForm::normal);
  check_segments(normal);
  FUZZ_CHECK(normal.find("%00") == std::string::npos);

  const std::string separated = written(normal, http::write_separators_decoded);
  check_segments(separated);
  FUZZ_CHECK(!http::hides_separators(separated));
  if (!http::hides_separators(normal)) {
    FUZZ_CHECK(separated == normal);
    // Nothing that decoding brings up changes the segments: both ways lead to the same place. (What might
    // hide separators may have stood in a segment that ".." took away.)
    if (!brings_up_separators(path)) FUZZ_CHECK(resolved(decoded(path)) == decoded(normal));
  }
}

}  // namespace
}  // namespace azulb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  azulb::http::Target target;
  if (!azulb::http::is_target_text(text)) return 0;
  const auto defect = azulb::http::parse_target(azulb::http::Method::get, text, target);
  if (target.path.starts_with('/')) {
    FUZZ_CHECK((azulb::http::path_form(target.path) == azulb::http::PathForm::malformed) ==
               (defect != azulb::http::Defect::none));
    azulb::fuzz::check_path(target.path);
  }
  return 0;
}
