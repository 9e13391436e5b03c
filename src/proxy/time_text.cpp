#include <time.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "azulb/proxy/access_log.hpp"

namespace azulb::proxy {

char* TimeText::write_iso(std::int64_t time_ns, char* out) {
  const std::time_t second = time_ns / 1'000'000'000;
  if (second != iso_second_) {
    std::tm parts{};
    gmtime_r(&second, &parts);
    strftime(iso_.data(), iso_.size(), "%Y-%m-%dT%H:%M:%S.", &parts);
    iso_second_ = second;
  }
  std::memcpy(out, iso_.data(), 20);
  const auto milliseconds = static_cast<unsigned>(time_ns % 1'000'000'000 / 1'000'000);
  out[20] = static_cast<char>('0' + milliseconds / 100);
  out[21] = static_cast<char>('0' + milliseconds / 10 % 10);
  out[22] = static_cast<char>('0' + milliseconds % 10);
  out[23] = 'Z';
  return out + 24;
}

char* TimeText::write_common(std::int64_t time_ns, char* out) {
  static constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t second = time_ns / 1'000'000'000;
  if (second != common_second_) {
    std::tm parts{};
    localtime_r(&second, &parts);
    // Not %b: the log's language is not the locale's.
    const char* const month = months[static_cast<std::size_t>(parts.tm_mon)];
    char zone[8];
    strftime(zone, sizeof zone, "%z", &parts);
    std::snprintf(common_.data(), common_.size(), "%02d/%s/%04d:%02d:%02d:%02d %s", parts.tm_mday, month,
                  parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec, zone);
    common_second_ = second;
  }
  std::memcpy(out, common_.data(), 26);
  return out + 26;
}

}  // namespace azulb::proxy
