#include "azulb/base/escape.hpp"

#include <cstdint>
#include <cstring>

namespace azulb::base {
namespace {

constexpr std::uint64_t ones = 0x0101010101010101U;
constexpr std::uint64_t high_bits = 0x8080808080808080U;
constexpr std::string_view json_mark = "…";
constexpr std::string_view log_mark = "...";
constexpr char lower_hex[] = "0123456789abcdef";
constexpr char upper_hex[] = "0123456789ABCDEF";

constexpr std::uint64_t any_zero(std::uint64_t word) {
  return (word - ones) & ~word & high_bits;
}

/// Not zero if one of the eight bytes is below 0x20, above 0x7F, a quote or a backslash; or DEL if that is
/// special too.
template <bool del_is_special>
constexpr std::uint64_t any_special(std::uint64_t word) {
  const std::uint64_t control = (word - ones * 0x20) & ~word & high_bits;
  const std::uint64_t del = del_is_special ? any_zero(word ^ (ones * 0x7F)) : 0;
  return control | del | (word & high_bits) | any_zero(word ^ (ones * '"')) | any_zero(word ^ (ones * '\\'));
}

template <bool del_is_special>
constexpr bool is_plain(unsigned char byte) {
  return byte >= 0x20 && byte < (del_is_special ? 0x7F : 0x80) && byte != '"' && byte != '\\';
}

/// Copies plain bytes until a special one, or until either side ends.
template <bool del_is_special>
void copy_plain(const char*& from, const char* from_end, char*& to, const char* to_end) {
  while (from_end - from >= 8 && to_end - to >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, 8);
    if (any_special<del_is_special>(word) != 0) break;
    std::memcpy(to, &word, 8);
    from += 8;
    to += 8;
  }
  while (from < from_end && to < to_end && is_plain<del_is_special>(static_cast<unsigned char>(*from))) {
    *to++ = *from++;
  }
}

/// Length of the well-formed UTF-8 sequence (RFC 3629 section 4) of two to four bytes at `from`; 0 when there
/// is none.
std::size_t utf8_length(const char* from, const char* end) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(from[i]); };
  const auto available = static_cast<std::size_t>(end - from);
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned char first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) return available >= 2 && continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (available < 3 || !continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;   // overlong
    if (first == 0xED && byte(1) >= 0xA0) return 0;  // surrogate
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (available < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;   // overlong
    if (first == 0xF4 && byte(1) >= 0x90) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

/// The escape of one special byte in JSON; at most six bytes.
std::size_t json_escape_of(unsigned char byte, char* out) {
  out[0] = '\\';
  switch (byte) {
    case '"':
    case '\\':
      out[1] = static_cast<char>(byte);
      return 2;
    case '\n':
      out[1] = 'n';
      return 2;
    case '\r':
      out[1] = 'r';
      return 2;
    case '\t':
      out[1] = 't';
      return 2;
    default:
      break;
  }
  out[1] = 'u';
  out[2] = '0';
  out[3] = '0';
  out[4] = lower_hex[byte >> 4U];
  out[5] = lower_hex[byte & 15U];
  return 6;
}

}  // namespace

char* escape_json(std::string_view text, char* out, std::size_t limit_bytes) {
  const char* from = text.data();
  const char* const end = from + text.size();
  const char* const stop = out + limit_bytes - json_mark.size();
  while (true) {
    copy_plain<false>(from, end, out, stop);
    if (from == end) return out;
    if (out == stop) break;
    char unit[6];
    std::size_t written = utf8_length(from, end);
    std::size_t taken = written;
    if (written > 0) {
      std::memcpy(unit, from, written);
    } else {
      written = json_escape_of(static_cast<unsigned char>(*from), unit);
      taken = 1;
    }
    if (static_cast<std::size_t>(stop - out) < written) break;
    std::memcpy(out, unit, written);
    out += written;
    from += taken;
  }
  std::memcpy(out, json_mark.data(), json_mark.size());
  return out + json_mark.size();
}

char* escape_log_text(std::string_view text, char* out, std::size_t limit_bytes) {
  const char* from = text.data();
  const char* const end = from + text.size();
  const char* const stop = out + limit_bytes - log_mark.size();
  while (true) {
    copy_plain<true>(from, end, out, stop);
    if (from == end) return out;
    if (stop - out < 4) break;
    const auto byte = static_cast<unsigned char>(*from++);
    *out++ = '\\';
    *out++ = 'x';
    *out++ = upper_hex[byte >> 4U];
    *out++ = upper_hex[byte & 15U];
  }
  std::memcpy(out, log_mark.data(), log_mark.size());
  return out + log_mark.size();
}

}  // namespace azulb::base
