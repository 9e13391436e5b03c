#include <doctest/doctest.h>

#include "azulb/http2/flood_guard.hpp"

using azulb::http::Flood;
using azulb::http2::FloodGuard;

namespace {

int allowed(FloodGuard& guard, Flood kind, std::int64_t now_ms, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i)
    count += guard.allows(kind, now_ms) ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("a burst passes, and no more until time has gone by") {
  FloodGuard guard;
  const int burst = allowed(guard, Flood::reset, 5'000, 10'000);
  CHECK(burst >= 100);
  CHECK(burst <= 500);
  CHECK(allowed(guard, Flood::reset, 5'000, 10) == 0);
  const int later = allowed(guard, Flood::reset, 6'000, 10'000);
  CHECK(later >= 10);
  CHECK(later < burst);
}

TEST_CASE("what comes evenly and not too fast passes for ever") {
  FloodGuard guard;
  int passed = 0;
  for (int second = 0; second < 3600; ++second)
    passed += allowed(guard, Flood::ping, second * 1000, 50);
  CHECK(passed == 3600 * 50);
}

TEST_CASE("each kind has a budget of its own") {
  FloodGuard guard;
  while (guard.allows(Flood::ping, 0)) {
  }
  CHECK(guard.allows(Flood::settings, 0));
  CHECK(guard.allows(Flood::empty_frame, 0));
  CHECK_FALSE(guard.allows(Flood::ping, 0));
}

TEST_CASE("frames that were expected cost nothing") {
  FloodGuard guard;
  for (int i = 0; i < 100'000; ++i) {
    guard.expect(Flood::window_update, 2);
    REQUIRE(guard.allows(Flood::window_update, 0));
    REQUIRE(guard.allows(Flood::window_update, 0));
  }
}

TEST_CASE("a long silence and a clock that wraps round do no harm") {
  FloodGuard guard;
  CHECK(allowed(guard, Flood::settings, 0xFFFF'FF00, 40) == 40);
  CHECK(allowed(guard, Flood::settings, 0x1'0000'0000, 100) < 20);
  CHECK(allowed(guard, Flood::settings, 0x1'4000'0000, 40) == 40);
}
