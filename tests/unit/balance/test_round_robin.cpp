#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "azulb/balance/rotation.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

namespace {

std::vector<std::uint32_t> turns_of(const std::vector<std::uint32_t>& weights) {
  Rotation rotation(weights);
  std::vector<std::uint32_t> members(weights.size());
  std::iota(members.begin(), members.end(), 0U);
  rotation.build(members, weights);
  return {rotation.turns().begin(), rotation.turns().end()};
}

std::vector<std::uint32_t> choices_of(UpstreamState& upstream, Selector& selector, int count) {
  std::vector<std::uint32_t> chosen(upstream.server_count(), 0);
  for (int i = 0; i < count; ++i) {
    const auto index = selector.choose_and_acquire({});
    REQUIRE(index);
    ++chosen[*index];
    upstream.release(*index);
  }
  return chosen;
}

}  // namespace

TEST_CASE("the rotation is smooth: heavy servers' turns are spread, not lumped") {
  CHECK(turns_of({5, 1, 1}) == std::vector<std::uint32_t>{0, 1, 0, 0, 2, 0, 0});
  CHECK(turns_of({1, 1, 1}) == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(turns_of({7, 7, 7}) == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(turns_of({4, 2}) == std::vector<std::uint32_t>{0, 1, 0});
  CHECK(turns_of({3}) == std::vector<std::uint32_t>{0});
}

TEST_CASE("a rotation gives each its exact weight, and at every turn its share to within one") {
  const std::vector<std::vector<std::uint32_t>> cases = {
      {5, 1, 1}, {3, 2, 1}, {100, 1}, {7, 11, 13, 17}, {1, 2, 3, 4, 5, 6, 7, 8}, {999, 500, 250, 3, 1, 1}};
  for (const auto& weights : cases) {
    const auto turns = turns_of(weights);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    REQUIRE(static_cast<double>(turns.size()) == sum);
    std::vector<double> taken(weights.size(), 0.0);
    for (std::size_t turn = 0; turn < turns.size(); ++turn) {
      taken[turns[turn]] += 1.0;
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const double share = weights[i] * static_cast<double>(turn + 1) / sum;
        REQUIRE(std::abs(taken[i] - share) <= 1.0);
      }
    }
    for (std::size_t i = 0; i < weights.size(); ++i)
      CHECK(taken[i] == weights[i]);
  }
}

TEST_CASE("weights whose cycle would be too long are scaled, nobody down to nothing") {
  const std::vector<std::uint32_t> weights = {65535, 65534, 32749, 1};
  const auto turns = turns_of(weights);
  CHECK(turns.size() <= Rotation::max_length(weights.size()));
  std::vector<double> taken(weights.size(), 0.0);
  for (const std::uint32_t turn : turns)
    taken[turn] += 1.0;
  CHECK(taken[3] == 1.0);
  CHECK(std::abs(taken[0] / taken[2] - 65535.0 / 32749.0) < 0.01);

  std::vector<std::uint32_t> many(10'000);
  for (std::size_t i = 0; i < many.size(); ++i)
    many[i] = static_cast<std::uint32_t>(1 + (i * 7919) % 65535);
  const auto long_turns = turns_of(many);
  CHECK(long_turns.size() <= Rotation::max_length(many.size()));
  std::vector<bool> seen(many.size(), false);
  for (const std::uint32_t turn : long_turns)
    seen[turn] = true;
  CHECK(std::count(seen.begin(), seen.end(), true) == 10'000);
}

TEST_CASE("300 requests over 3 servers with 2 workers are 100 each, however the workers interleave") {
  auto upstream = upstream_of("round_robin", {1, 1, 1});
  auto first = upstream->make_selector(1);
  auto second = upstream->make_selector(2);
  std::vector<int> chosen(3, 0);
  for (int i = 0; i < 300; ++i) {
    Selector& selector = (i * i) % 7 < 3 ? *first : *second;
    ++chosen[selector.choose_and_acquire({}).value()];
  }
  CHECK(chosen == std::vector<int>{100, 100, 100});
}

TEST_CASE("round robin is exact over any number of threads, by weight") {
  auto upstream = upstream_of("round_robin", {1, 2, 3, 1});
  on_threads(*upstream, 4, [](unsigned, Selector& selector) {
    for (int i = 0; i < 7'000; ++i)
      selector.choose_and_acquire({});
  });
  CHECK(upstream->server(0).active() == 4'000);
  CHECK(upstream->server(1).active() == 8'000);
  CHECK(upstream->server(2).active() == 12'000);
  CHECK(upstream->server(3).active() == 4'000);
  CHECK(upstream->total_active() == 28'000);
}

TEST_CASE("when a server goes and comes back, turns are even over those there are") {
  auto upstream = checked_upstream_of(settings_of("round_robin"), {1, 1, 1});
  auto selector = upstream->make_selector(1);
  CHECK(choices_of(*upstream, *selector, 100) == std::vector<std::uint32_t>{34, 33, 33});
  take_down(*upstream, 1);
  CHECK(choices_of(*upstream, *selector, 100) == std::vector<std::uint32_t>{50, 0, 50});
  bring_up(*upstream, 1);
  const auto chosen = choices_of(*upstream, *selector, 300);
  CHECK(chosen == std::vector<std::uint32_t>{100, 100, 100});
}

TEST_CASE("turns are even to within a few while eligibility changes all the time") {
  auto upstream = checked_upstream_of(settings_of("round_robin"), {1, 1, 1, 1});
  auto selector = upstream->make_selector(1);
  std::vector<std::uint32_t> chosen(4, 0);
  for (int round = 0; round < 500; ++round) {
    if (round % 2 == 0) take_down(*upstream, 3);
    if (round % 2 == 1) bring_up(*upstream, 3);
    const auto more = choices_of(*upstream, *selector, 13);
    for (std::size_t i = 0; i < 4; ++i)
      chosen[i] += more[i];
  }
  // 250 rounds of 13 over three and 250 over four.
  const double expected = 250 * 13 / 3.0 + 250 * 13 / 4.0;
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(std::abs(chosen[i] - expected) < expected * 0.1);
  CHECK(std::abs(chosen[3] - 250 * 13 / 4.0) < 250 * 13 / 4.0 * 0.1);
}

TEST_CASE("retries take turns too: a failing server's requests do not double its neighbour's load") {
  auto upstream = upstream_of("round_robin", {1, 1, 1, 1, 1});
  auto selector = upstream->make_selector(1);
  for (int i = 0; i < 4'000; ++i) {
    const std::uint32_t first = selector->choose_and_acquire({}).value();
    if (first != 0) continue;
    const std::vector<std::uint32_t> tried = {first};
    CHECK(selector->choose_and_acquire(Choice{0, tried}) != 0);
  }
  for (std::uint32_t i = 1; i < 5; ++i)
    CHECK(upstream->server(i).active() == upstream->server(0).active());
  CHECK(upstream->total_active() == 5'000);
}

TEST_CASE(
    "whoever must skip a server takes another turn, so that the next in the rotation is not hit twice") {
  auto upstream = upstream_of("round_robin", {1, 1, 1, 1, 1});
  auto selector = upstream->make_selector(1);
  const std::vector<std::uint32_t> tried = {0};
  for (int i = 0; i < 4'000; ++i)
    REQUIRE(selector->choose_and_acquire(Choice{0, tried}));
  CHECK(upstream->server(0).active() == 0);
  for (std::uint32_t i = 1; i < 5; ++i)
    CHECK(upstream->server(i).active() == 1'000);
}
