#include "common/websocket.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <strings.h>

#include <array>
#include <cstring>

#include "common/socket.hpp"

namespace azulb::bench {
namespace {

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::array<unsigned char, 64> text{};
  const int length = EVP_EncodeBlock(text.data(), bytes, static_cast<int>(size));
  return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length)};
}

}  // namespace

std::string accept_for(std::string_view key) {
  std::string text{key};
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) die("EVP_Digest");
  return base64(digest.data(), size);
}

std::string make_key() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) die("RAND_bytes");
  return base64(bytes.data(), bytes.size());
}

FrameState read_frame(std::string_view bytes, Frame& frame) {
  if (bytes.size() < 2) return FrameState::kIncomplete;
  const auto byte = [bytes](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
  frame.first_byte = byte(0);
  frame.masked = (byte(1) & 0x80) != 0;
  std::uint64_t length = byte(1) & 0x7F;
  std::size_t header = 2;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (bytes.size() < header + extended) return FrameState::kIncomplete;
  if (extended != 0) {
    length = 0;
    for (std::size_t i = 0; i < extended; ++i)
      length = length << 8 | byte(header + i);
    header += extended;
  }
  if (length > kMaxPayloadBytes) return FrameState::kTooLarge;
  const std::size_t mask_size = frame.masked ? 4 : 0;
  frame.size = header + mask_size + static_cast<std::size_t>(length);
  if (bytes.size() < frame.size) return FrameState::kIncomplete;
  if (frame.masked) std::memcpy(frame.mask, bytes.data() + header, 4);
  frame.payload = bytes.substr(header + mask_size, static_cast<std::size_t>(length));
  return FrameState::kComplete;
}

void append_frame(std::string& out, std::uint8_t first_byte, std::string_view payload,
                  const unsigned char* mask) {
  const std::uint8_t mask_bit = mask != nullptr ? 0x80 : 0;
  out.push_back(static_cast<char>(first_byte));
  const std::uint64_t length = payload.size();
  if (length < 126) {
    out.push_back(static_cast<char>(mask_bit | length));
  } else {
    const int extended = length < 65536 ? 2 : 8;
    out.push_back(static_cast<char>(mask_bit | (extended == 2 ? 126 : 127)));
    for (int i = extended - 1; i >= 0; --i)
      out.push_back(static_cast<char>(length >> (8 * i) & 0xFF));
  }
  if (mask != nullptr) out.append(reinterpret_cast<const char*>(mask), 4);
  const std::size_t begin = out.size();
  out.append(payload);
  if (mask != nullptr) apply_mask(out.data() + begin, payload.size(), mask);
}

void apply_mask(char* data, std::size_t size, const unsigned char* mask) {
  std::uint32_t word = 0;
  std::memcpy(&word, mask, 4);
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    std::uint32_t value = 0;
    std::memcpy(&value, data + i, 4);
    value ^= word;
    std::memcpy(data + i, &value, 4);
  }
  for (; i < size; ++i)
    data[i] = static_cast<char>(data[i] ^ static_cast<char>(mask[i % 4]));
}

std::optional<std::string_view> find_field(std::string_view head, std::string_view name) {
  std::size_t line = head.find("\r\n");
  while (line != std::string_view::npos) {
    const std::string_view rest = head.substr(line + 2);
    const std::size_t end = rest.find("\r\n");
    const std::string_view field = rest.substr(0, end);
    if (field.size() > name.size() && field[name.size()] == ':' &&
        strncasecmp(field.data(), name.data(), name.size()) == 0) {
      std::string_view value = field.substr(name.size() + 1);
      while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
        value.remove_prefix(1);
      while (!value.empty() && (value.back() == ' ' || value.back() == '\t'))
        value.remove_suffix(1);
      return value;
    }
    line = end == std::string_view::npos ? end : line + 2 + end;
  }
  return std::nullopt;
}

}  // namespace azulb::bench
