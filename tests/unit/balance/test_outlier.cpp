#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "azulb/balance/outlier.hpp"
#include "fixture.hpp"

namespace {

using azulb::balance::Ejection;
using azulb::balance::Outcome;
using azulb::balance::OutlierSettings;
using azulb::balance::UpstreamSettings;
using azulb::balance::UpstreamState;
using azulb::balance::testing::on_threads;
using azulb::balance::testing::servers_of_weights;
using azulb::balance::testing::settings_of;
using Verdict = azulb::balance::Ejection::Verdict;

UpstreamState upstream_with(const OutlierSettings& outlier, std::size_t servers) {
  UpstreamSettings settings = settings_of("round_robin");
  settings.outlier = outlier;
  return UpstreamState(settings, servers_of_weights(std::vector<std::uint32_t>(servers, 1)));
}

Ejection fail_in_a_row(UpstreamState& upstream, std::uint32_t index, unsigned times, std::int64_t now_ms) {
  Ejection last;
  for (unsigned i = 0; i < times; ++i)
    last = upstream.record_outcome(index, Outcome::error, now_ms);
  return last;
}

}  // namespace

TEST_CASE("errors in a row eject a server, and the call that did it says so") {
  UpstreamState upstream = upstream_with({}, 3);
  CHECK(fail_in_a_row(upstream, 1, 4, 1000).verdict == Verdict::none);
  CHECK(upstream.server(1).eligible());
  const auto generation = upstream.generation();
  const Ejection ejection = upstream.record_outcome(1, Outcome::error, 1000);
  CHECK(ejection.verdict == Verdict::ejected);
  CHECK(ejection.cause == Outcome::error);
  CHECK(ejection.failures == 5);
  CHECK(ejection.duration_ms == 10'000);
  CHECK_FALSE(upstream.server(1).eligible());
  CHECK(upstream.server(1).ejected_until_ms() == 11'000);
  CHECK(upstream.ejected_count() == 1);
  CHECK(upstream.generation() != generation);
  CHECK(upstream.record_outcome(1, Outcome::error, 1001).verdict == Verdict::none);
}

TEST_CASE("a success between errors starts the count anew") {
  UpstreamState upstream = upstream_with({}, 3);
  for (int i = 0; i < 10; ++i) {
    CHECK(fail_in_a_row(upstream, 0, 4, 0).verdict == Verdict::none);
    upstream.record_outcome(0, Outcome::success, 0);
    CHECK(upstream.server(0).consecutive_errors() == 0);
  }
}

TEST_CASE("answers of 500 and above break a row of errors, and eject only where that is asked for") {
  UpstreamState off = upstream_with({}, 3);
  for (int i = 0; i < 100; ++i)
    CHECK(off.record_outcome(0, Outcome::status_5xx, 0).verdict == Verdict::none);
  fail_in_a_row(off, 0, 4, 0);
  off.record_outcome(0, Outcome::status_5xx, 0);
  CHECK(off.server(0).consecutive_errors() == 0);

  OutlierSettings settings;
  settings.consecutive_5xx = 2;
  UpstreamState on = upstream_with(settings, 3);
  CHECK(on.record_outcome(0, Outcome::status_5xx, 0).verdict == Verdict::none);
  on.record_outcome(0, Outcome::success, 0);
  CHECK(on.record_outcome(0, Outcome::status_5xx, 0).verdict == Verdict::none);
  const Ejection ejection = on.record_outcome(0, Outcome::status_5xx, 0);
  CHECK(ejection.verdict == Verdict::ejected);
  CHECK(ejection.cause == Outcome::status_5xx);
}

TEST_CASE("consecutive_errors = 0 switches ejection for errors off") {
  OutlierSettings settings;
  settings.consecutive_errors = 0;
  UpstreamState upstream = upstream_with(settings, 3);
  CHECK(fail_in_a_row(upstream, 0, 1000, 0).verdict == Verdict::none);
  CHECK(upstream.server(0).eligible());
}

TEST_CASE("an ejected server comes back when its time is over, not before") {
  UpstreamState upstream = upstream_with({}, 3);
  fail_in_a_row(upstream, 2, 5, 1000);
  CHECK(upstream.expire_ejections(10'999).empty());
  CHECK_FALSE(upstream.server(2).eligible());
  const auto generation = upstream.generation();
  CHECK(upstream.expire_ejections(11'000) == std::vector<std::uint32_t>{2});
  CHECK(upstream.server(2).eligible());
  CHECK(upstream.server(2).ejected_until_ms() == 0);
  CHECK(upstream.ejected_count() == 0);
  CHECK(upstream.generation() != generation);
  CHECK(upstream.expire_ejections(12'000).empty());
}

TEST_CASE("each ejection in a row doubles the time up to five minutes, and a success ends the row") {
  UpstreamState upstream = upstream_with({}, 3);
  std::int64_t now_ms = 0;
  for (const std::int64_t expected_ms : {10'000, 20'000, 40'000, 80'000, 160'000, 300'000, 300'000}) {
    CHECK(fail_in_a_row(upstream, 0, 5, now_ms).duration_ms == expected_ms);
    // What was still under way when it was ejected does not end the row.
    upstream.record_outcome(0, Outcome::success, now_ms);
    now_ms += expected_ms;
    upstream.expire_ejections(now_ms);
  }
  upstream.record_outcome(0, Outcome::success, now_ms);
  CHECK(fail_in_a_row(upstream, 0, 5, now_ms).duration_ms == 10'000);
}

TEST_CASE("no more than the share max_ejected is ejected, rounded down") {
  const auto ejectable = [](double share, std::size_t servers) {
    OutlierSettings settings;
    settings.max_ejected = share;
    UpstreamState upstream = upstream_with(settings, servers);
    for (std::uint32_t i = 0; i < upstream.server_count(); ++i)
      fail_in_a_row(upstream, i, 5, 0);
    return upstream.ejected_count();
  };
  CHECK(ejectable(0.5, 1) == 0);
  CHECK(ejectable(0.5, 2) == 1);
  CHECK(ejectable(0.5, 3) == 1);
  CHECK(ejectable(0.5, 4) == 2);
  CHECK(ejectable(0.29, 100) == 29);
  CHECK(ejectable(0.0, 10) == 0);
  CHECK(ejectable(1.0, 10) == 10);
}

TEST_CASE("a withheld ejection is reported once, and carried out when there is room for it") {
  UpstreamState upstream = upstream_with({}, 2);
  CHECK(fail_in_a_row(upstream, 0, 5, 0).verdict == Verdict::ejected);
  CHECK(fail_in_a_row(upstream, 1, 5, 0).verdict == Verdict::withheld);
  CHECK(upstream.record_outcome(1, Outcome::error, 0).verdict == Verdict::none);
  CHECK(upstream.server(1).eligible());
  upstream.expire_ejections(10'000);
  CHECK(upstream.record_outcome(1, Outcome::error, 10'000).verdict == Verdict::ejected);
}

TEST_CASE("of many workers that see failures at once, one ejects each server, within the limit") {
  for (int round = 0; round < 50; ++round) {
    UpstreamState upstream = upstream_with({}, 10);
    std::atomic<unsigned> ejections{0};
    on_threads(upstream, 4, [&](unsigned, azulb::balance::Selector&) {
      for (int i = 0; i < 20; ++i) {
        for (std::uint32_t index = 0; index < 10; ++index) {
          const Ejection ejection = upstream.record_outcome(index, Outcome::error, 0);
          if (ejection.verdict == Verdict::ejected) ++ejections;
        }
      }
    });
    CHECK(ejections == 5);
    CHECK(upstream.ejected_count() == 5);
    CHECK(upstream.summary().ejected == 5);
  }
}

TEST_CASE("ejections and returns from several threads keep the count true") {
  OutlierSettings settings;
  settings.consecutive_errors = 2;
  settings.ejection = azulb::base::Milliseconds(1);
  UpstreamState upstream = upstream_with(settings, 8);
  std::atomic<bool> stop{false};
  std::thread ticker([&] {
    for (std::int64_t now_ms = 0; !stop; now_ms += 1'000'000)
      upstream.expire_ejections(now_ms);
  });
  on_threads(upstream, 3, [&](unsigned thread, azulb::balance::Selector&) {
    for (std::uint32_t i = 0; i < 20'000; ++i)
      upstream.record_outcome((i + thread) % 8, Outcome::error, 0);
  });
  stop = true;
  ticker.join();
  // The ticker may have ended an ejection that was just being counted; its next tick puts that right.
  upstream.expire_ejections(0);
  CHECK(upstream.ejected_count() == upstream.summary().ejected);
  upstream.expire_ejections(std::int64_t{1} << 60);
  CHECK(upstream.ejected_count() == 0);
  CHECK(upstream.summary().eligible == 8);
}

TEST_CASE("an ejection that another snapshot's state made is counted and ended too") {
  UpstreamSettings settings = settings_of("round_robin");
  const auto servers = servers_of_weights({1, 1, 1, 1});
  UpstreamState before(settings, servers);
  fail_in_a_row(before, 0, 5, 0);
  UpstreamState after(settings, servers);
  CHECK(after.ejected_count() == 1);
  fail_in_a_row(before, 1, 5, 0);
  const auto generation = after.generation();
  after.expire_ejections(1);
  CHECK(after.ejected_count() == 2);
  CHECK(after.generation() != generation);
  CHECK(after.expire_ejections(10'000) == std::vector<std::uint32_t>{0, 1});
  CHECK(after.ejected_count() == 0);
}
