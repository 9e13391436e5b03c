// Where one direction of a WebSocket stands, from the bytes that pass (RFC 6455 section 5.2), and the close
// frame that azulb puts in at such a place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace azulb::http {

/// Follows frames without holding a byte of them: an idle tunnel has two of these and nothing else. Bytes
/// that are no frames lead to a place that is never between messages, or to a wrong one; nothing worse.
class WebSocketFrames {
 public:
  /// `bytes` pass.
  void pass(std::span<const char> bytes) {
    if (bytes.size() <= payload_left()) return skip(bytes.size());
    static_cast<void>(follow(bytes, false));
  }
  /// `bytes` pass as far as the end of the message, or of the control frame, that they are in; how many.
  std::size_t pass_message(std::span<const char> bytes) { return follow(bytes, true); }
  /// So many bytes of the payload pass unseen; at most `payload_left`.
  void skip(std::uint64_t size_bytes);

  /// Of the current frame.
  std::uint64_t payload_left() const { return part_ == Part::payload ? left_ : 0; }
  /// A control frame may stand here.
  bool between_frames() const { return part_ == Part::first; }
  /// Nothing that has begun is left incomplete.
  bool between_messages() const { return between_frames() && !message_open_; }
  /// A close frame has passed, and nothing may follow it.
  bool closed() const { return closing_ && between_frames(); }

 private:
  enum class Part : std::uint8_t { first, length, long_length, payload, broken };

  std::size_t follow(std::span<const char> bytes, bool only_message);
  void begin_frame(std::uint8_t byte);
  void take_length(std::uint8_t byte);
  void begin_payload();

  std::uint64_t left_ =
      0;  // of the payload and its masking key; in `long_length` what has come of the length
  Part part_ = Part::first;
  std::uint8_t length_bytes_left_ = 0;
  bool masked_ : 1 = false;
  bool message_open_ : 1 = false;  // its last frame has not begun
  bool closing_ : 1 = false;
};

/// A close frame with status 1012, "service restart" (RFC 6455 section 5.5.1, and its registry).
class RestartFrame {
 public:
  /// `masking_key`: towards servers only (section 5.3).
  explicit RestartFrame(std::optional<std::uint32_t> masking_key);
  std::span<const char> bytes() const { return std::span(bytes_).first(size_); }

 private:
  static constexpr std::string_view reason = "service restart";
  std::array<char, 2 + 4 + 2 + reason.size()> bytes_;
  std::size_t size_ = 0;
};

}  // namespace azulb::http
