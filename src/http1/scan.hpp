// Finds the first byte that ends a run of harmless ones, 16 at a time where the CPU has SSE2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "azulb/http/bytes.hpp"
#include "azulb/http/defect.hpp"
#include "azulb/http/field.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace azulb::http1 {

#ifdef __SSE2__
/// The next 16 bytes, their letters in lower case, and how many from the first on are letters, digits and
/// "-".
struct UsualBytes {
  __m128i lower;
  std::size_t count;

  explicit UsualBytes(const char* at) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    // Moved so that `last` becomes 127, of the signed bytes only those from `first` on are above the rest.
    const auto between = [](__m128i value, char first, char last) {
      const __m128i moved = _mm_add_epi8(value, _mm_set1_epi8(static_cast<char>(127 - last)));
      return _mm_cmpgt_epi8(moved, _mm_set1_epi8(static_cast<char>(127 - last + first - 1)));
    };
    const __m128i usual =
        _mm_or_si128(between(lower, 'a', 'z'),
                     _mm_or_si128(between(bytes, '0', '9'), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'))));
    const auto others = static_cast<unsigned>(_mm_movemask_epi8(usual)) ^ 0xFFFFU;
    count = static_cast<std::size_t>(__builtin_ctz(others | 0x10000U));
  }

  /// Of the `count` bytes; "-" and digits have the bit of lower case already.
  http::FoldedName folded() const {
    static constexpr std::array<unsigned char, 32> ones = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                                           0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    const __m128i mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(ones.data() + (16 - count)));
    const __m128i name = _mm_and_si128(lower, mask);
    return {static_cast<std::uint64_t>(_mm_cvtsi128_si64(name)),
            static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(name, name)))};
  }
};
#endif

/// The first byte in [at, end) that is not a tchar, else end.
inline const char* skip_token(const char* at, const char* end) {
#ifdef __SSE2__
  // Most names are letters, digits and "-", and shorter than 16: one step. The table judges what ends it.
  if (end - at >= 16) at += UsualBytes(at).count;
#endif
  while (at < end && http::is_byte(*at, http::class_token))
    ++at;
  return at;
}

/// The first byte in [at, end) that may not be in a field value (CR, LF, other controls but HTAB, DEL), else
/// end.
inline const char* skip_value(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i highest_control = _mm_set1_epi8(0x1F);
  const __m128i del = _mm_set1_epi8(0x7F);
  const __m128i tab = _mm_set1_epi8('\t');
  while (end - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, highest_control), bytes);
    const __m128i bad =
        _mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), _mm_or_si128(control, _mm_cmpeq_epi8(bytes, del)));
    const int mask = _mm_movemask_epi8(bad);
    if (mask != 0) return at + __builtin_ctz(static_cast<unsigned>(mask));
    at += 16;
  }
#endif
  while (at < end && http::is_byte(*at, http::class_value))
    ++at;
  return at;
}

/// The first byte in [at, end) that may not be in a request target, else end.
inline const char* skip_target(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i lowest = _mm_set1_epi8(0x21);
  const __m128i del = _mm_set1_epi8(0x7F);
  const __m128i hash = _mm_set1_epi8('#');
  while (end - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    // As signed bytes: below "!" are controls, the space, and everything over 0x7F.
    const __m128i low = _mm_cmplt_epi8(bytes, lowest);
    const __m128i bad =
        _mm_or_si128(low, _mm_or_si128(_mm_cmpeq_epi8(bytes, del), _mm_cmpeq_epi8(bytes, hash)));
    const int mask = _mm_movemask_epi8(bad);
    if (mask != 0) return at + __builtin_ctz(static_cast<unsigned>(mask));
    at += 16;
  }
#endif
  while (at < end && http::is_byte(*at, http::class_target))
    ++at;
  return at;
}

/// Why a byte that ended a run cannot stand there: the line's own defect for a visible byte.
inline http::Defect defect_of(char byte, http::Defect visible) {
  if (byte == '\n') return http::Defect::bare_lf;
  const auto value = static_cast<unsigned char>(byte);
  if ((value < 0x20 && byte != '\t' && byte != '\r') || value == 0x7F) return http::Defect::control_byte;
  return visible;
}

}  // namespace azulb::http1
