#include "load/response.hpp"

#include <charconv>

#include "common/websocket.hpp"

namespace azulb::bench {

std::string_view Response::take(std::string_view bytes, std::int64_t expect_bytes,
                                std::uint64_t& body_bytes) {
  if (body_left < 0) {
    if (!head.empty()) bytes = head.append(bytes);
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      if (head.empty()) head = bytes;
      return {};
    }
    const std::string_view problem = judge(bytes.substr(0, end + 2), expect_bytes);
    if (!problem.empty()) return problem;
    bytes.remove_prefix(end + 4);
  }
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (size > body_left) return "bytes after the end of the response";
  body_left -= size;
  body_bytes += static_cast<std::uint64_t>(size);
  return {};
}

std::string_view Response::judge(std::string_view whole_head, std::int64_t expect_bytes) {
  if (!whole_head.starts_with("HTTP/1.1 200 ")) return "status is not 200";
  const auto length = find_field(whole_head, "Content-Length");
  if (!length) return "no Content-Length";
  std::int64_t value = -1;
  std::from_chars(length->data(), length->data() + length->size(), value);
  if (value < 0) return "bad Content-Length";
  if (expect_bytes >= 0 && value != expect_bytes) return "wrong body length";
  const auto reuse = find_field(whole_head, "Connection");
  close_after = reuse && *reuse == "close";
  body_left = value;
  return {};
}

}  // namespace azulb::bench
