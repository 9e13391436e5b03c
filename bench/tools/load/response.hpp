#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace azulb::bench {

// One response as it comes in: it must be a 200 with a Content-Length, and of exactly that many bytes.
struct Response {
  std::int64_t body_left = -1;  // -1: the head is not complete
  bool close_after = false;     // it said Connection: close
  std::string head;             // what came of an incomplete one

  bool untouched() const { return body_left < 0 && head.empty(); }
  bool complete() const { return body_left == 0; }

  // Takes the next bytes and counts those of the body into `body_bytes`. Returns what is wrong, or nothing.
  // `expect_bytes`: the length that the body must have, -1 = any.
  std::string_view take(std::string_view bytes, std::int64_t expect_bytes, std::uint64_t& body_bytes);

 private:
  std::string_view judge(std::string_view whole_head, std::int64_t expect_bytes);
};

}  // namespace azulb::bench
