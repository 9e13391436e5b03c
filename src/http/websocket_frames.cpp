#include "azulb/http/websocket_frames.hpp"

#include <algorithm>

#include "azulb/base/assert.hpp"

namespace azulb::http {
namespace {

constexpr std::uint8_t final_bit = 0x80;
constexpr std::uint8_t mask_bit = 0x80;
constexpr std::uint8_t opcode_mask = 0x0f;
constexpr std::uint8_t control_bit = 0x08;  // of the opcode
constexpr std::uint8_t close_opcode = 0x8;
constexpr std::size_t masking_key_bytes = 4;
constexpr std::uint16_t service_restart = 1012;

}  // namespace

std::size_t WebSocketFrames::follow(std::span<const char> bytes, bool only_message) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (part_ == Part::broken) return bytes.size();
    if (part_ == Part::payload) {
      const std::uint64_t size = std::min<std::uint64_t>(left_, bytes.size() - at);
      at += static_cast<std::size_t>(size);
      skip(size);
      continue;
    }
    if (part_ == Part::first) {
      if (only_message && between_messages()) return at;
      begin_frame(static_cast<std::uint8_t>(bytes[at++]));
    } else {
      take_length(static_cast<std::uint8_t>(bytes[at++]));
    }
  }
  return at;
}

void WebSocketFrames::skip(std::uint64_t size_bytes) {
  AZULB_ASSERT(size_bytes <= payload_left());
  left_ -= size_bytes;
  if (part_ == Part::payload && left_ == 0) part_ = Part::first;
}

void WebSocketFrames::begin_frame(std::uint8_t byte) {
  const std::uint8_t opcode = byte & opcode_mask;
  // Control frames may stand between the frames of a message, and are never parts of one (section 5.4).
  if ((opcode & control_bit) == 0) message_open_ = (byte & final_bit) == 0;
  if (opcode == close_opcode) closing_ = true;
  part_ = Part::length;
}

void WebSocketFrames::take_length(std::uint8_t byte) {
  if (part_ == Part::long_length) {
    left_ = left_ << 8U | byte;
    if (--length_bytes_left_ == 0) begin_payload();
    return;
  }
  masked_ = (byte & mask_bit) != 0;
  left_ = byte & ~mask_bit & 0xffU;
  if (left_ < 126) return begin_payload();
  length_bytes_left_ = left_ == 126 ? 2 : 8;
  left_ = 0;
  part_ = Part::long_length;
}

void WebSocketFrames::begin_payload() {
  if (left_ >> 63U != 0) {
    part_ = Part::broken;
    return;
  }
  if (masked_) left_ += masking_key_bytes;
  part_ = left_ == 0 ? Part::first : Part::payload;
}

RestartFrame::RestartFrame(std::optional<std::uint32_t> masking_key) {
  const auto put = [this](std::uint32_t byte) { bytes_[size_++] = static_cast<char>(byte & 0xffU); };
  std::array<std::uint32_t, masking_key_bytes> mask{};
  put(final_bit | close_opcode);
  put((masking_key ? mask_bit : 0U) | (sizeof service_restart + reason.size()));
  if (masking_key) {
    for (std::size_t index = 0; index < mask.size(); ++index) {
      mask[index] = *masking_key >> (8 * index) & 0xffU;
      put(mask[index]);
    }
  }
  std::size_t at = 0;
  const auto put_masked = [&](std::uint32_t byte) { put(byte ^ mask[at++ % mask.size()]); };
  put_masked(service_restart >> 8U);
  put_masked(service_restart & 0xffU);
  for (const char letter : reason)
    put_masked(static_cast<std::uint8_t>(letter));
}

}  // namespace azulb::http
