#include "azulb/proxy/http_date.hpp"

#include <fmt/format.h>

#include <ctime>

#include "azulb/base/clock.hpp"

namespace azulb::proxy {

std::string_view HttpDate::text() {
  const std::int64_t second = base::wall_clock_coarse_s();
  constexpr std::size_t length = 29;  // "Mon, 23 Nov 2026 09:52:03 GMT" (RFC 9110 section 5.6.7)
  if (second != second_) {
    second_ = second;
    constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    fmt::format_to_n(text_.data(), text_.size(), "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     days[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                     months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour,
                     parts.tm_min, parts.tm_sec);
  }
  return {text_.data(), length};
}

}  // namespace azulb::proxy
