#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "azulb/balance/peak_latency.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

TEST_CASE(
    "a peak latency jumps to a slower answer and comes down with time, not with the number of answers") {
  PeakLatency latency;
  CHECK(latency.value_us() == 0);
  latency.observe(10'000, 1'000);
  latency.observe(90'000, 1'001);
  CHECK(latency.value_us() == 90'000);
  for (int i = 0; i < 100; ++i)
    latency.observe(10'000, 1'001);
  CHECK(latency.value_us() == 90'000);
  latency.observe(10'000, 1'001 + PeakLatency::fade_ms);
  CHECK(latency.value_us() == 50'000);
  for (std::int64_t now_ms = 2'000; now_ms < 6'000; now_ms += 10)
    latency.observe(10'000, now_ms);
  CHECK(latency.value_us() < 11'000);
}

TEST_CASE("a peak latency keeps within its bounds and forgets what is old") {
  PeakLatency latency;
  latency.observe(0, 5);
  CHECK(latency.value_us() == 1);
  latency.observe(INT64_MAX, 6);
  CHECK(latency.value_us() == PeakLatency::longest_us);
  latency.forget_old(5 + PeakLatency::memory_ms);
  CHECK(latency.value_us() == PeakLatency::longest_us);
  latency.forget_old(6 + PeakLatency::memory_ms);
  CHECK(latency.value_us() == 0);
}

TEST_CASE("requests go where latency times requests for the weight is least") {
  auto upstream = upstream_of("least_time", {1, 1, 2});
  REQUIRE(upstream->measures_latency());
  upstream->record_latency(0, 1'000, 1);
  upstream->record_latency(1, 10'000, 1);
  upstream->record_latency(2, 4'000, 1);
  upstream->expire_ejections(2);  // what was recorded while nothing ended is heeded by main's tick
  auto selector = upstream->make_selector(1);
  for (int i = 0; i < 160; ++i)
    REQUIRE(selector->choose_and_acquire({}));
  CHECK(upstream->server(0).active() == doctest::Approx(100).epsilon(0.02));
  CHECK(upstream->server(1).active() == doctest::Approx(10).epsilon(0.15));
  CHECK(upstream->server(2).active() == doctest::Approx(50).epsilon(0.03));
}

TEST_CASE("a server whose latency is not known is tried with one request until it has answered") {
  auto upstream = upstream_of("least_time", {1, 1});
  upstream->record_latency(0, 1'000, 1);
  upstream->expire_ejections(2);
  auto selector = upstream->make_selector(1);
  CHECK(selector->choose_and_acquire({}) == 1);
  for (int i = 0; i < 20; ++i)
    CHECK(selector->choose_and_acquire({}) == 0);
  upstream->record_latency(1, 100, 2);
  upstream->release(1);
  CHECK(selector->choose_and_acquire({}) == 1);
}

TEST_CASE("a server that was avoided for long is asked again") {
  auto upstream = upstream_of("least_time", {1, 1});
  upstream->record_latency(0, 1'000, 1);
  upstream->record_latency(1, 900'000, 1);
  upstream->expire_ejections(2);
  auto selector = upstream->make_selector(1);
  const auto chosen = [&] {
    const std::uint32_t index = selector->choose_and_acquire({}).value();
    upstream->release(index);
    return index;
  };
  CHECK(chosen() == 0);
  upstream->record_latency(0, 1'000, PeakLatency::memory_ms);
  upstream->expire_ejections(PeakLatency::memory_ms + 1);
  CHECK(chosen() == 1);
}

TEST_CASE("a server that fails at once does not look fast") {
  auto upstream = upstream_of("least_time", {1, 1});
  upstream->record_latency(0, 5'000, 1);
  upstream->record_latency(1, 1'000, 1);
  upstream->record_outcome(1, Outcome::error, 2);
  CHECK(upstream->server(1).latency().value_us() == PeakLatency::failed_us);
  upstream->expire_ejections(3);
  CHECK(upstream->preview({}) == 0);
}

TEST_CASE(
    "least time is exact over all workers: of a slow server they have together no more than its share") {
  auto upstream = upstream_of("least_time", {1, 1, 1});
  upstream->record_latency(0, 1'000, 1);
  upstream->record_latency(1, 1'000, 1);
  upstream->record_latency(2, 10'000, 1);
  upstream->expire_ejections(2);
  std::atomic<std::uint32_t> most{0};
  on_threads(*upstream, 4, [&](unsigned, Selector& selector) {
    for (int round = 0; round < 300; ++round) {
      std::array<std::uint32_t, 8> held{};
      for (std::uint32_t& index : held) {
        index = selector.choose_and_acquire({}).value();
        if (index != 2) continue;
        const std::uint32_t active = upstream->server(2).active();
        std::uint32_t so_far = most.load();
        while (so_far < active && !most.compare_exchange_weak(so_far, active)) {
        }
      }
      for (const std::uint32_t index : held)
        upstream->release(index);
    }
  });
  // Of at most 32 requests, the two others bear ten each for one of the slow one's.
  CHECK(most.load() <= 2);
  for (std::uint32_t index = 0; index < 3; ++index)
    CHECK(upstream->server(index).active() == 0);
}

TEST_CASE("a peak of less than a millisecond fades, too, where there is an answer every millisecond") {
  PeakLatency latency;
  latency.observe(300, 1000);
  for (std::int64_t now_ms = 1001; now_ms <= 3000; ++now_ms)
    latency.observe(100, now_ms);
  CHECK(latency.value_us() == 100);
}
