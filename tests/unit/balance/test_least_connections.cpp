#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "azulb/balance/load_tree.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

TEST_CASE("of equals the one chosen longest ago comes first, so ties rotate") {
  for (const std::size_t servers : {2U, 3U, 5U, 8U}) {
    auto upstream = upstream_of("least_connections", std::vector<std::uint32_t>(servers, 1));
    auto selector = upstream->make_selector(1);
    for (std::size_t i = 0; i < 4 * servers; ++i) {
      const std::uint32_t index = selector->choose_and_acquire({}).value();
      CHECK(index == i % servers);
      upstream->release(index);
    }
  }
}

TEST_CASE("the server with the fewest requests for its weight is chosen") {
  auto upstream = upstream_of("least_connections", {4, 2, 1});
  auto selector = upstream->make_selector(1);
  for (int i = 0; i < 700; ++i)
    REQUIRE(selector->choose_and_acquire({}));
  CHECK(upstream->server(0).active() == 400);
  CHECK(upstream->server(1).active() == 200);
  CHECK(upstream->server(2).active() == 100);
  for (int i = 0; i < 40; ++i)
    upstream->release(2);
  for (int i = 0; i < 40; ++i)
    CHECK(selector->choose_and_acquire({}) == 2);
}

TEST_CASE(
    "every choice agrees with a plain search, over random acquires, releases, failures and tried servers") {
  std::mt19937 random(42);
  for (const std::uint32_t servers : {1U, 2U, 3U, 7U, 16U, 33U}) {
    std::vector<std::uint32_t> weights;
    for (std::uint32_t i = 0; i < servers; ++i)
      weights.push_back(static_cast<std::uint32_t>(1 + random() % 5));
    auto upstream = checked_upstream_of(settings_of("least_connections"), weights);
    auto selector = upstream->make_selector(1);
    std::vector<std::uint32_t> held;
    for (int step = 0; step < 3'000; ++step) {
      const std::uint32_t some = static_cast<std::uint32_t>(random() % servers);
      switch (random() % 8) {
        case 0:
          upstream->server(some).health() == Health::up ? take_down(*upstream, some)
                                                        : bring_up(*upstream, some);
          continue;
        case 1:
          upstream->acquire(some);
          held.push_back(some);
          continue;
        case 2:
        case 3:
        case 4:
          if (held.empty()) continue;
          std::swap(held[random() % held.size()], held.back());
          upstream->release(held.back());
          held.pop_back();
          continue;
        default:
          break;
      }
      std::vector<std::uint32_t> tried(random() % 3, some);
      const auto load = [&](std::uint32_t i) {
        return (upstream->server(i).active() + 1.0) / upstream->server(i).weight();
      };
      double best = 1e9;
      double best_untried = 1e9;
      for (std::uint32_t i = 0; i < servers; ++i) {
        if (!upstream->server(i).eligible()) continue;
        best = std::min(best, load(i));
        if (!is_tried(Choice{0, tried}, i)) best_untried = std::min(best_untried, load(i));
      }
      std::vector<double> loads;
      for (std::uint32_t i = 0; i < servers; ++i)
        loads.push_back(load(i));
      const auto chosen = selector->choose_and_acquire(Choice{0, tried});
      REQUIRE(chosen.has_value() == (best < 1e9));
      if (!chosen) continue;
      held.push_back(*chosen);
      REQUIRE(loads[*chosen] == doctest::Approx(best_untried < 1e9 ? best_untried : best));
    }
  }
}

TEST_CASE("requests counted over all threads are shared out exactly") {
  // Nothing is released, so with exact choices all end with the same number, whoever chose.
  for (const std::uint32_t servers : {2U, 5U, 10U, 64U}) {
    auto upstream = upstream_of("least_connections", std::vector<std::uint32_t>(servers, 1));
    on_threads(*upstream, 4, [servers](unsigned, Selector& selector) {
      for (std::uint32_t i = 0; i < 100 * servers; ++i)
        selector.choose_and_acquire({});
    });
    for (std::uint32_t i = 0; i < servers; ++i)
      CHECK(upstream->server(i).active() == 400);
  }
}

TEST_CASE("after any storm of acquires and releases the tree still knows the least-loaded") {
  for (int round = 0; round < 20; ++round) {
    auto upstream = upstream_of("least_connections", {1, 1, 1, 1, 1, 1, 1});
    on_threads(*upstream, 4, [&upstream](unsigned thread, Selector& selector) {
      std::mt19937 random(thread);
      std::vector<std::uint32_t> held;
      for (int i = 0; i < 2'000; ++i) {
        if (!held.empty() && random() % 2 == 0) {
          upstream->release(held.back());
          held.pop_back();
        } else {
          held.push_back(selector.choose_and_acquire({}).value());
        }
      }
    });
    // Fill up to the level of the fullest: each choice must be one of the emptiest.
    auto selector = upstream->make_selector(1);
    for (int i = 0; i < 200; ++i) {
      std::uint32_t fewest = ~0U;
      for (std::uint32_t s = 0; s < 7; ++s)
        fewest = std::min(fewest, upstream->server(s).active());
      const std::uint32_t chosen = selector->choose_and_acquire({}).value();
      REQUIRE(upstream->server(chosen).active() == fewest + 1);
    }
  }
}

TEST_CASE("what another snapshot's exchanges release is seen after the next tick") {
  const auto servers = servers_of_weights({1, 1, 1});
  UpstreamState before(settings_of("least_connections"), servers);
  for (int i = 0; i < 5; ++i)
    before.acquire(1);
  UpstreamState after(settings_of("least_connections"), servers);
  auto selector = after.make_selector(1);
  for (int i = 0; i < 8; ++i)
    CHECK(selector->choose_and_acquire({}) != 1);
  for (int i = 0; i < 5; ++i)
    before.release(1);
  after.expire_ejections(0);
  for (int i = 0; i < 4; ++i)
    CHECK(selector->choose_and_acquire({}) == 1);
}

TEST_CASE("a choice is not misled by a worker that has counted a request but not yet told the tree") {
  const auto servers = servers_of_weights({1, 1, 1, 1});
  std::vector<ServerState*> pointers;
  for (const auto& server : servers)
    pointers.push_back(server.get());
  LoadTree tree(pointers, LoadTree::Measure::requests);
  std::uint64_t probes = 0;
  CHECK(tree.choose({}, probes) == 0);
  // The worker is suspended here: the root still names server 1.
  ServerLoad::begin(*servers[1]);
  CHECK(tree.choose({}, probes) == 2);
  ServerLoad::begin(*servers[3]);
  ServerLoad::begin(*servers[3]);
  CHECK(tree.choose({}, probes) == 1);
}
