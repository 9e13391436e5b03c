// What a byte may be part of, one table for all rules.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace azulb::http {

/// Bits of byte_class.
enum ByteClass : std::uint8_t {
  class_token = 1U << 0,   // tchar, RFC 9110 section 5.6.2
  class_value = 1U << 1,   // in a field value: HTAB, SP, VCHAR, obs-text
  class_target = 1U << 2,  // in a request target: VCHAR but "#"
  class_host = 1U << 3,    // in a host name, without "%": unreserved of RFC 3986, no sub-delims (a "," would
                           // split X-Forwarded-Host)
  class_hex = 1U << 4,     // HEXDIG, either case
  class_request_id = 1U << 5  // [A-Za-z0-9._:/+=@-]
};

namespace detail {
constexpr bool contains(const char* set, int byte) {
  for (; *set != 0; ++set) {
    if (static_cast<unsigned char>(*set) == byte) return true;
  }
  return false;
}

constexpr std::array<std::uint8_t, 256> make_byte_class() {
  std::array<std::uint8_t, 256> table{};
  for (int byte = 0; byte < 256; ++byte) {
    const bool alnum =
        (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
    const bool hex =
        (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'F') || (byte >= 'a' && byte <= 'f');
    unsigned bits = 0;
    if (alnum || contains("!#$%&'*+-.^_`|~", byte)) bits |= class_token;
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7F)) bits |= class_value;
    if (byte > 0x20 && byte < 0x7F && byte != '#') bits |= class_target;
    if (alnum || contains("-._~", byte)) bits |= class_host;
    if (hex) bits |= class_hex;
    if (alnum || contains("._:/+=@-", byte)) bits |= class_request_id;
    table[static_cast<std::size_t>(byte)] = static_cast<std::uint8_t>(bits);
  }
  return table;
}
}  // namespace detail

inline constexpr std::array<std::uint8_t, 256> byte_class = detail::make_byte_class();

constexpr bool is_byte(char byte, ByteClass wanted) {
  return (byte_class[static_cast<unsigned char>(byte)] & wanted) != 0;
}

constexpr bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

/// ASCII letters only.
constexpr char to_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

/// The value of a HEXDIG; -1 for any other byte.
constexpr int hex_value(char byte) {
  if (is_digit(byte)) return byte - '0';
  const char lower = to_lower(byte);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Whether `text` is a short literal: a comparison or two, where operator== calls memcmp.
template <std::size_t size>
bool is_literal(std::string_view text, const char (&literal)[size]) {
  return text.size() == size - 1 && std::memcmp(text.data(), literal, size - 1) == 0;
}

}  // namespace azulb::http
