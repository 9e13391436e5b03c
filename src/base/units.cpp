#include "azulb/base/units.hpp"

#include <array>
#include <limits>
#include <optional>

namespace azulb::base {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 4> kDurationUnits{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kSizeUnits{
    {{"", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}}};

constexpr std::uint64_t kLongestDurationMs = 10ULL * 365 * 24 * 3'600'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

/// Takes the digits off the front of `text`. Nothing if there are none or they overflow 64 bits.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t length = 0;
  for (; length < text.size() && is_digit(text[length]); ++length) {
    const auto digit = static_cast<std::uint64_t>(text[length] - '0');
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)) return {};
  }
  if (length == 0) return {};
  text.remove_prefix(length);
  return value;
}

/// Takes everything up to the next digit off the front of `text`.
std::string_view take_unit(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && !is_digit(text[length]))
    ++length;
  const std::string_view unit = text.substr(0, length);
  text.remove_prefix(length);
  return unit;
}

/// The index in `units` of the unit called `name`, or their count.
template <std::size_t N>
std::size_t find_unit(const std::array<Unit, N>& units, std::string_view name) {
  std::size_t index = 0;
  while (index < N && units[index].name != name)
    ++index;
  return index;
}

tl::unexpected<Error> not_a_duration(std::string_view text) {
  return failure(quoted(text) + R"( is not a duration, such as "250ms", "2s", "1m30s" or "1h")");
}

tl::unexpected<Error> not_a_size(std::string_view text) {
  return failure(quoted(text) + R"( is not a size, such as "512", "16KiB", "4MiB" or "1GiB")");
}

}  // namespace

Result<Milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return Milliseconds{0};
  if (text.empty()) return not_a_duration(text);
  std::uint64_t total_ms = 0;
  std::size_t next_unit = 0;  // the largest unit that may still come
  for (std::string_view rest = text; !rest.empty();) {
    const bool starts_with_digit = is_digit(rest.front());
    const std::optional<std::uint64_t> count = take_number(rest);
    if (!count && starts_with_digit) return failure(quoted(text) + " is longer than 10 years");
    const std::string_view name = take_unit(rest);
    if (!count) return not_a_duration(text);
    if (name.empty()) return failure(quoted(text) + " lacks a unit: h, m, s or ms");
    const std::size_t unit = find_unit(kDurationUnits, name);
    if (unit == kDurationUnits.size()) return not_a_duration(text);
    if (unit < next_unit)
      return failure(quoted(text) + ": units go from h over m and s to ms, each at most once");
    next_unit = unit + 1;
    std::uint64_t part_ms = 0;
    if (__builtin_mul_overflow(*count, kDurationUnits[unit].factor, &part_ms) ||
        __builtin_add_overflow(total_ms, part_ms, &total_ms) || total_ms > kLongestDurationMs) {
      return failure(quoted(text) + " is longer than 10 years");
    }
  }
  return Milliseconds{static_cast<std::int64_t>(total_ms)};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  const bool starts_with_digit = !text.empty() && is_digit(text.front());
  const std::optional<std::uint64_t> count = take_number(rest);
  if (!count && starts_with_digit) return failure(quoted(text) + " is more than 64 bits can hold");
  if (!count) return not_a_size(text);
  const std::size_t unit = find_unit(kSizeUnits, rest);
  if (unit == kSizeUnits.size()) return not_a_size(text);
  std::uint64_t size_bytes = 0;
  if (__builtin_mul_overflow(*count, kSizeUnits[unit].factor, &size_bytes)) {
    return failure(quoted(text) + " is more than 64 bits can hold");
  }
  return size_bytes;
}

std::string format_duration(Milliseconds duration) {
  if (duration.count() == 0) return "0s";
  std::string text;
  // Negated in unsigned arithmetic: the smallest count has no positive counterpart.
  auto rest_ms = static_cast<std::uint64_t>(duration.count());
  if (duration.count() < 0) {
    text = "-";
    rest_ms = 0 - rest_ms;
  }
  for (const Unit& unit : kDurationUnits) {
    if (rest_ms < unit.factor) continue;
    text += std::to_string(rest_ms / unit.factor);
    text += unit.name;
    rest_ms %= unit.factor;
  }
  return text;
}

std::string format_size(std::uint64_t size_bytes) {
  std::size_t unit = size_bytes == 0 ? 0 : kSizeUnits.size() - 1;
  while (size_bytes % kSizeUnits[unit].factor != 0)
    --unit;
  return std::to_string(size_bytes / kSizeUnits[unit].factor) + std::string(kSizeUnits[unit].name);
}

}  // namespace azulb::base
