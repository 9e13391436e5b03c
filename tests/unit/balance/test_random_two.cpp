#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "azulb/balance/alias_table.hpp"
#include "azulb/base/random.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

TEST_CASE("the alias table picks each as often as its weight") {
  const std::vector<std::vector<std::uint32_t>> cases = {{1}, {1, 1}, {1, 2, 3, 4}, {1000, 1, 1}, {5, 5, 90}};
  for (const auto& weights : cases) {
    AliasTable table(weights.size());
    CHECK(table.empty());
    std::vector<std::uint32_t> members(weights.size());
    std::iota(members.begin(), members.end(), 0U);
    table.build(members, weights);
    azulb::base::Random random(1);
    constexpr int picks = 200'000;
    std::vector<double> taken(weights.size(), 0.0);
    for (int i = 0; i < picks; ++i)
      taken[table.pick(random)] += 1.0;
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      CHECK(std::abs(taken[i] / picks - weights[i] / sum) < 0.005);
    }
  }
}

TEST_CASE("the alias table takes only members, and forgets them when it is built anew") {
  AliasTable table(5);
  azulb::base::Random random(3);
  const std::vector<std::uint32_t> odd = {1, 3};
  table.build(odd, std::vector<std::uint32_t>{2, 4});
  for (int i = 0; i < 1000; ++i)
    CHECK(table.pick(random) % 2 == 1);
  const std::vector<std::uint32_t> one = {4};
  table.build(one, std::vector<std::uint32_t>{5});
  for (int i = 0; i < 100; ++i)
    CHECK(table.pick(random) == 4);
}

TEST_CASE("of two choices the less loaded takes the request: with two servers that is always the emptier") {
  auto upstream = upstream_of("random_two", {1, 1});
  auto selector = upstream->make_selector(5);
  for (int i = 0; i < 50; ++i)
    upstream->acquire(0);
  int emptier = 0;
  for (int i = 0; i < 50; ++i) {
    if (selector->choose_and_acquire({}) == 1) ++emptier;
  }
  CHECK(emptier >= 49);  // eight equal picks in a row: once in 128
}

TEST_CASE("two choices keep the fullest server close to the mean, which one choice does not") {
  constexpr std::uint32_t servers = 100;
  auto upstream = upstream_of("random_two", std::vector<std::uint32_t>(servers, 1));
  on_threads(*upstream, 2, [](unsigned, Selector& selector) {
    for (int i = 0; i < 5'000; ++i)
      selector.choose_and_acquire({});
  });
  std::uint32_t most = 0;
  for (std::uint32_t i = 0; i < servers; ++i)
    most = std::max(most, upstream->server(i).active());
  // The mean is 100; purely random placement would leave some server with about 125.
  CHECK(most <= 106);
}

TEST_CASE("two choices respect weights") {
  auto upstream = upstream_of("random_two", {3, 1, 1, 1});
  auto selector = upstream->make_selector(9);
  for (int i = 0; i < 6'000; ++i)
    selector->choose_and_acquire({});
  CHECK(std::abs(upstream->server(0).active() - 3'000.0) < 150);
  for (std::uint32_t i = 1; i < 4; ++i)
    CHECK(std::abs(upstream->server(i).active() - 1'000.0) < 100);
}

TEST_CASE("the seed decides, so a test can repeat a run") {
  const auto run = [](std::uint64_t seed) {
    auto upstream = upstream_of("random_two", std::vector<std::uint32_t>(20, 1));
    auto selector = upstream->make_selector(seed);
    std::vector<std::uint32_t> chosen;
    for (int i = 0; i < 50; ++i)
      chosen.push_back(selector->choose_and_acquire({}).value());
    return chosen;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}
