// The part of RFC 6455 that the benchmark's backend and load generator share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace azulb::bench {

enum class Opcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

// Largest payload accepted from a peer, in bytes.
inline constexpr std::uint64_t kMaxPayloadBytes = 1 << 20;

// The value of Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2).
std::string accept_for(std::string_view key);

// A fresh base64 key of 16 random bytes (section 4.1).
std::string make_key();

// One frame as it lies in a buffer. `payload` is still masked when `masked` is set.
struct Frame {
  std::uint8_t first_byte = 0;  // FIN, reserved bits and opcode
  bool masked = false;
  unsigned char mask[4] = {};
  std::string_view payload;
  std::size_t size = 0;  // header and payload together

  Opcode opcode() const { return static_cast<Opcode>(first_byte & 0x0F); }
};

enum class FrameState : std::uint8_t { kComplete, kIncomplete, kTooLarge };

// Reads the frame at the start of `bytes` (section 5.2).
FrameState read_frame(std::string_view bytes, Frame& frame);

// Appends an unmasked frame, or a masked one when `mask` is given (four bytes).
void append_frame(std::string& out, std::uint8_t first_byte, std::string_view payload,
                  const unsigned char* mask);

// Exclusive-or of `data` with the four-byte mask, in place (section 5.3).
void apply_mask(char* data, std::size_t size, const unsigned char* mask);

// The value of a header field in a raw message head, without surrounding spaces; names compare without case.
std::optional<std::string_view> find_field(std::string_view head, std::string_view name);

}  // namespace azulb::bench
