#include "azulb/http2/frame_scanner.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace azulb::http2 {
namespace {

std::uint32_t read_number(const unsigned char* from, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value = value << 8U | from[i];
  return value;
}

/// The others nghttp2 tells of, or ends the connection for.
bool is_to_be_judged(std::uint8_t type) {
  return type == NGHTTP2_DATA || type == NGHTTP2_PRIORITY || type >= NGHTTP2_CONTINUATION;
}

}  // namespace

std::size_t FrameScanner::scan(std::span<const char> bytes) {
  // A frame found is passed on with the bytes behind it.
  found_ = false;
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (skip_bytes_ > 0) {
      const std::size_t skipped = std::min<std::size_t>(skip_bytes_, bytes.size() - at);
      skip_bytes_ -= static_cast<std::uint32_t>(skipped);
      at += skipped;
      continue;
    }
    const std::size_t begin = at;
    if (seen_bytes_ == 0 && frames_left_ == 0) return begin;
    while (at < bytes.size() && !complete())
      head_[seen_bytes_++] = static_cast<unsigned char>(bytes[at++]);
    if (!complete()) return bytes.size();
    const std::size_t payload_seen = seen_bytes_ - head_bytes;
    frame_ = {.length = read_number(head_.data(), 3),
              .type = head_[3],
              .flags = head_[4],
              .stream_id = static_cast<std::int32_t>(read_number(&head_[5], 4) & 0x7FFFFFFFU)};
    if (payload_seen > 0) {
      frame_.depends_on = static_cast<std::int32_t>(read_number(&head_[head_bytes], 4) & 0x7FFFFFFFU);
    }
    seen_bytes_ = 0;
    --frames_left_;
    skip_bytes_ = frame_.length - static_cast<std::uint32_t>(payload_seen);
    if (!is_to_be_judged(frame_.type)) continue;
    // Its bytes are nghttp2's after the verdict: they are skipped here next time.
    skip_bytes_ += static_cast<std::uint32_t>(at - begin);
    found_ = true;
    return begin;
  }
  return bytes.size();
}

bool FrameScanner::complete() {
  if (seen_bytes_ < head_bytes) return false;
  const bool priority = head_[3] == NGHTTP2_PRIORITY && read_number(head_.data(), 3) == priority_bytes;
  return seen_bytes_ == (priority ? head_bytes + priority_bytes : head_bytes);
}

}  // namespace azulb::http2
