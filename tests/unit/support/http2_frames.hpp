// HTTP/2's frames, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace azulb::test {

inline constexpr std::uint8_t data_frame = 0;
inline constexpr std::uint8_t headers_frame = 1;
inline constexpr std::uint8_t rst_stream_frame = 3;
inline constexpr std::uint8_t settings_frame = 4;
inline constexpr std::uint8_t ping_frame = 6;
inline constexpr std::uint8_t goaway_frame = 7;
inline constexpr std::uint8_t window_update_frame = 8;
inline constexpr std::uint8_t end_stream = 1;
inline constexpr std::uint8_t end_headers = 4;

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload) {
  std::string bytes;
  for (const std::size_t part : {payload.size() >> 16U, payload.size() >> 8U, payload.size()})
    bytes += static_cast<char>(part);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes += static_cast<char>(stream >> static_cast<unsigned>(shift));
  return bytes.append(payload);
}

inline std::string number(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes += static_cast<char>(value >> static_cast<unsigned>(shift));
  return bytes;
}

}  // namespace azulb::test
