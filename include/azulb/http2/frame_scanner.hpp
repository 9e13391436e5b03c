// Sees the frames that nghttp2 does not tell of one by one: of unknown types, of streams that are closed,
// priorities, the parts of a header block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "azulb/http2/session.hpp"

namespace azulb::http2 {

/// Follows a peer's bytes, in any pieces, by the lengths in the frames' heads; a client's from the end of the
/// preface on.
class FrameScanner {
 public:
  explicit FrameScanner(End end) : skip_bytes_(end == End::to_client ? preface_bytes : 0) {}

  struct Frame {
    std::uint32_t length = 0;
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::int32_t stream_id = 0;
    std::int32_t depends_on = -1;  // of a PRIORITY
  };

  /// How many frames more may begin. Before the first that may not, `scan` stops.
  void allow_frames(std::uint32_t count) { frames_left_ = count; }
  /// How many bytes, from the front, come before the next frame that is to be judged (then `found`), or that
  /// may not begin; all, if there is no such frame in sight. The next call begins behind these bytes.
  std::size_t scan(std::span<const char> bytes);
  bool found() const { return found_; }
  const Frame& frame() const { return frame_; }

 private:
  static constexpr std::uint32_t preface_bytes = 24;
  static constexpr std::size_t head_bytes = 9;
  static constexpr std::size_t priority_bytes = 5;
  bool complete();

  std::uint32_t skip_bytes_;  // of the preface, then of payloads
  std::uint32_t frames_left_ = 0;
  std::uint8_t seen_bytes_ = 0;  // of the next frame's head, and of a PRIORITY its payload
  bool found_ = false;
  std::array<unsigned char, head_bytes + priority_bytes> head_{};
  Frame frame_;
};

}  // namespace azulb::http2
