#include <doctest/doctest.h>

#include <initializer_list>

#include "azulb/daemon/probation.hpp"

using namespace azulb::daemon;
using Verdict = Probation::Verdict;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t fast = 3, slow = 7;  // 2.5 to 5 ms, 50 to 100 ms

/// All traffic of an azulb, as time goes on.
struct World {
  azulb::config::Probation settings{.time = 60s, .errors = 0.05, .latency = 2.0, .requests = 100};
  Traffic so_far;
  Probation probation;
  std::int64_t now_ms = 1'000'000;

  Verdict pass(std::uint64_t requests, std::uint64_t failed = 0, std::size_t range = fast) {
    so_far.requests[range] += requests;
    so_far.failed += failed;
    now_ms += 1000;
    return probation.observe(settings, now_ms, so_far);
  }
  void load() { probation.begin(settings, now_ms, so_far, so_far); }
};

}  // namespace

TEST_CASE("A configuration that does as well as the one before passes when its time is over") {
  World world;
  CHECK(world.pass(1000, 10) == Verdict::none);
  CHECK(world.pass(1000, 10) == Verdict::none);
  world.load();
  CHECK(world.probation.running());
  for (int second = 1; second < 60; ++second)
    CHECK(world.pass(1000, 10) == Verdict::none);
  CHECK(world.pass(1000, 10) == Verdict::passed);
  CHECK_FALSE(world.probation.running());
  CHECK(world.pass(1000, 1000) == Verdict::none);
}

TEST_CASE("More failures than before by more than is allowed fail it, as soon as there are enough requests") {
  World world;
  world.pass(1000, 100);
  world.pass(1000, 100);
  world.load();
  CHECK(world.pass(99, 99) == Verdict::none);
  CHECK(world.pass(1, 0) == Verdict::failed);
  CHECK(world.probation.reason() == "99.0 % of 100 requests failed, before 10.0 %");
  CHECK_FALSE(world.probation.running());
  // Just as many more as is allowed:
  world.pass(1000, 100);
  world.pass(1000, 100);
  world.load();
  CHECK(world.pass(1000, 149) == Verdict::none);
  CHECK(world.pass(1000, 160) == Verdict::failed);
}

TEST_CASE("Longer times fail it, if there is something to compare them with") {
  World world;
  world.pass(0);
  world.load();
  CHECK(world.pass(1000, 0, slow) == Verdict::none);  // nothing is known of before
  world.probation.end();
  world.pass(0);
  world.pass(1000);
  world.load();
  CHECK(world.pass(880) == Verdict::none);
  CHECK(world.pass(99, 0, slow) == Verdict::failed);
  CHECK(world.probation.reason().starts_with("of 979 requests one in ten takes longer than "));
  CHECK(world.probation.reason().ends_with(" ms, before 5 ms"));
}

TEST_CASE("Times are not looked at where that is not wanted, nor where they are short") {
  World world;
  world.settings.latency = 0;
  world.pass(0);
  world.pass(1000);
  world.load();
  CHECK(world.pass(1000, 0, slow) == Verdict::none);
  World quick;
  quick.pass(0);
  quick.pass(1000, 0, 0);
  quick.load();
  CHECK(quick.pass(1000, 0, fast) == Verdict::none);
}

TEST_CASE("Only the latest traffic before is what is normal") {
  World world;
  world.pass(1000, 1000);
  for (int second = 0; second < 100; ++second)
    world.pass(1000, 0);
  world.load();
  CHECK(world.pass(1000, 60) == Verdict::failed);
  CHECK(world.probation.reason() == "6.0 % of 1000 requests failed, before 0.0 %");
}

TEST_CASE("One that comes while another is on probation is measured by what that one was measured by") {
  World world;
  world.pass(0);
  world.pass(1000, 0);
  world.load();
  world.pass(99, 99);
  world.load();
  CHECK(world.pass(100, 6) == Verdict::failed);
  CHECK(world.probation.reason() == "6.0 % of 100 requests failed, before 0.0 %");
}

TEST_CASE("Series that are gone count as nothing, not as less than nothing") {
  Traffic before;
  before.requests[fast] = 1000;
  before.failed = 100;
  Traffic after;
  after.requests[fast] = 10;
  CHECK(after.since(before).total() == 0);
  CHECK(after.since(before).failed == 0);
  CHECK(Traffic{}.failed_share() == 0);
}
