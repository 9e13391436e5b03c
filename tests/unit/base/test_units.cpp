#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "azulb/base/units.hpp"

using namespace std::chrono_literals;
using azulb::base::format_duration;
using azulb::base::format_size;
using azulb::base::Milliseconds;
using azulb::base::parse_duration;
using azulb::base::parse_size;

TEST_CASE("a duration is read in every unit and in combinations from large to small") {
  CHECK(parse_duration("250ms").value() == 250ms);
  CHECK(parse_duration("2s").value() == 2s);
  CHECK(parse_duration("3m").value() == 3min);
  CHECK(parse_duration("1h").value() == 1h);
  CHECK(parse_duration("1m30s").value() == 90s);
  CHECK(parse_duration("1h2m3s4ms").value() == 1h + 2min + 3s + 4ms);
  CHECK(parse_duration("1h5ms").value() == 1h + 5ms);
  CHECK(parse_duration("90m").value() == 90min);
}

TEST_CASE("zero needs no unit but may have one") {
  CHECK(parse_duration("0").value() == 0ms);
  CHECK(parse_duration("0s").value() == 0ms);
  CHECK(parse_duration("0ms").value() == 0ms);
}

TEST_CASE("what is not a duration is refused") {
  for (const char* text : {"", "s", "ms", "-1s", "+1s", "1", "00", "1.5s", "1s ", " 1s", "1 s", "1S", "1d",
                           "s1", "1sec", "1s2"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
}

TEST_CASE("units out of order or repeated are refused") {
  for (const char* text : {"1s1m", "1ms1s", "1s1s", "1m1h", "1h1m1h"}) {
    CAPTURE(text);
    const auto parsed = parse_duration(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().message.find("each at most once") != std::string::npos);
  }
}

TEST_CASE("a duration of ten years is the longest") {
  CHECK(parse_duration("87600h").has_value());
  for (const char* text :
       {"87601h", "87600h1ms", "99999999999999999999h", "5124095576030431h", "18446744073709551615ms"}) {
    CAPTURE(text);
    const auto parsed = parse_duration(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().message.find("longer than 10 years") != std::string::npos);
  }
}

TEST_CASE("a size is read in bytes and in powers of 1024") {
  CHECK(parse_size("0").value() == 0);
  CHECK(parse_size("512").value() == 512);
  CHECK(parse_size("16KiB").value() == 16 * 1024);
  CHECK(parse_size("4MiB").value() == 4 * 1024 * 1024);
  CHECK(parse_size("2GiB").value() == 2ULL * 1024 * 1024 * 1024);
  CHECK(parse_size("18446744073709551615").value() == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("what is not a size, or too large a one, is refused") {
  for (const char* text : {"", "KiB", "-1", "+1", "1K", "1KB", "1kib", "1.5KiB", "1 KiB", "1KiB1",
                           "18446744073709551616", "17179869184GiB"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text).has_value());
  }
}

TEST_CASE("durations are written as people write them") {
  CHECK(format_duration(0ms) == "0s");
  CHECK(format_duration(250ms) == "250ms");
  CHECK(format_duration(90s) == "1m30s");
  CHECK(format_duration(1h) == "1h");
  CHECK(format_duration(1h + 1ms) == "1h1ms");
  CHECK(format_duration(-1500ms) == "-1s500ms");
  CHECK(format_duration(Milliseconds::min()).front() == '-');
}

TEST_CASE("sizes are written in the largest unit that divides them") {
  CHECK(format_size(0) == "0");
  CHECK(format_size(512) == "512");
  CHECK(format_size(1025) == "1025");
  CHECK(format_size(64 * 1024) == "64KiB");
  CHECK(format_size(3 * 1024 * 1024) == "3MiB");
  CHECK(format_size(1ULL << 31) == "2GiB");
}

TEST_CASE("what is written can be read back") {
  for (const Milliseconds duration : {0ms, 1ms, 999ms, 1001ms, 61000ms, 3661001ms, 86400000ms}) {
    CHECK(parse_duration(format_duration(duration)).value() == duration);
  }
  for (const std::uint64_t size : {0ULL, 1ULL, 1023ULL, 1024ULL, 65537ULL, 1ULL << 40}) {
    CHECK(parse_size(format_size(size)).value() == size);
  }
}
