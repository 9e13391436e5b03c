// Draining, disabling and re-weighting servers while requests are placed.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "azulb/balance/hash_key.hpp"
#include "azulb/balance/upstream_state.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

namespace {

Choice key(std::uint64_t number) {
  return Choice{hash_key(std::to_string(number)), {}};
}

/// How many of `count` requests each server gets, each released at once.
std::vector<std::uint32_t> shares(UpstreamState& upstream, Selector& selector, std::uint64_t count) {
  std::vector<std::uint32_t> chosen(upstream.server_count(), 0);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto index = selector.choose_and_acquire(key(i));
    REQUIRE(index);
    ++chosen[*index];
    upstream.release(*index);
  }
  return chosen;
}

}  // namespace

TEST_CASE(
    "every policy gives a draining or disabled server nothing, and its share again when it is enabled") {
  for (const PolicyEntry& policy : policies()) {
    for (const AdminState state : {AdminState::draining, AdminState::disabled}) {
      CAPTURE(policy.name);
      auto upstream = upstream_of(std::string(policy.name), {1, 1, 1});
      auto selector = upstream->make_selector(1);
      CHECK(shares(*upstream, *selector, 300)[1] > 0);
      CHECK(upstream->set_admin_state(1, state));
      CHECK_FALSE(upstream->set_admin_state(1, state));
      CHECK_FALSE(upstream->server(1).eligible());
      CHECK(shares(*upstream, *selector, 300)[1] == 0);
      CHECK(upstream->set_admin_state(1, AdminState::enabled));
      CHECK(shares(*upstream, *selector, 300)[1] > 0);
    }
  }
}

TEST_CASE("a draining server keeps the requests it has, until they are released") {
  auto upstream = upstream_of("round_robin", {1, 1});
  auto selector = upstream->make_selector(1);
  for (int i = 0; i < 10; ++i)
    REQUIRE(selector->choose_and_acquire({}));
  upstream->set_admin_state(0, AdminState::draining);
  CHECK(upstream->server(0).active() == 5);
  for (int i = 0; i < 5; ++i)
    upstream->release(0);
  CHECK(upstream->server(0).active() == 0);
}

TEST_CASE("once a drain has returned no thread of any policy counts another request on that server") {
  for (const PolicyEntry& policy : policies()) {
    CAPTURE(policy.name);
    auto upstream = upstream_of(std::string(policy.name), {1, 1, 1});
    std::atomic<bool> stop{false};
    std::atomic<unsigned> late{0};
    std::atomic<unsigned> refused{0};
    std::atomic<bool> empty[2] = {false, false};  // seen so, so that the server might be switched off
    std::thread operating([&] {
      for (int round = 0; round < 1'000; ++round) {
        const std::uint32_t index = static_cast<std::uint32_t>(round) % 2;
        upstream->set_admin_state(index, round % 3 == 0 ? AdminState::disabled : AdminState::draining);
        while (upstream->server(index).active() > 0)
          std::this_thread::yield();
        empty[index] = true;
        if (round % 4 == 0) std::this_thread::yield();
        empty[index] = false;
        upstream->set_admin_state(index, AdminState::enabled);
      }
      stop = true;
    });
    on_threads(*upstream, 3, [&](unsigned thread, Selector& selector) {
      for (std::uint64_t i = 0; !stop; ++i) {
        const auto chosen = selector.choose_and_acquire(key(i * 3 + thread));
        if (!chosen) {
          ++refused;
          continue;
        }
        if (*chosen < 2 && empty[*chosen]) ++late;
        upstream->release(*chosen);
      }
    });
    operating.join();
    CHECK(late == 0);
    CHECK(refused == 0);
    CHECK(upstream->total_active() == 0);
  }
}

TEST_CASE("round robin and least connections share out exactly by the new weight, over all threads") {
  for (const char* policy : {"round_robin", "least_connections"}) {
    CAPTURE(policy);
    auto upstream = upstream_of(policy, {1, 1});
    on_threads(*upstream, 4, [](unsigned, Selector& selector) {
      for (int i = 0; i < 1'000; ++i)
        selector.choose_and_acquire({});
    });
    CHECK(upstream->server(0).active() == 2'000);
    for (int i = 0; i < 2'000; ++i) {
      upstream->release(0);
      upstream->release(1);
    }
    CHECK(upstream->set_weight(1, 3));
    CHECK_FALSE(upstream->set_weight(1, 3));
    CHECK(upstream->server(1).configured_weight() == 1);
    on_threads(*upstream, 4, [](unsigned, Selector& selector) {
      for (int i = 0; i < 1'000; ++i)
        selector.choose_and_acquire({});
    });
    CHECK(upstream->server(0).active() == 1'000);
    CHECK(upstream->server(1).active() == 3'000);
  }
}

TEST_CASE("a weight changed while threads choose loses and doubles nothing, and holds afterwards") {
  for (const PolicyEntry& policy : policies()) {
    CAPTURE(policy.name);
    auto upstream = upstream_of(std::string(policy.name), {1, 1, 1});
    std::atomic<bool> stop{false};
    std::thread operating([&] {
      for (std::uint32_t round = 0; round < 200; ++round)
        upstream->set_weight(round % 3, 1 + round % 50);
      for (std::uint32_t index = 0; index < 3; ++index)
        upstream->set_weight(index, index + 1);
      stop = true;
    });
    on_threads(*upstream, 3, [&](unsigned thread, Selector& selector) {
      for (std::uint64_t i = 0; !stop; ++i) {
        const auto chosen = selector.choose_and_acquire(key(i * 3 + thread));
        if (chosen) upstream->release(*chosen);
      }
    });
    operating.join();
    CHECK(upstream->total_active() == 0);
    auto selector = upstream->make_selector(7);
    std::vector<std::uint32_t> held(3, 0);
    constexpr std::uint32_t requests = 6'000;
    for (std::uint32_t i = 0; i < requests; ++i)
      ++held[selector->choose_and_acquire(key(i)).value()];
    for (std::uint32_t index = 0; index < 3; ++index) {
      const double share = (index + 1.0) / 6.0;
      CHECK(std::abs(held[index] / double{requests} - share) < (policy.name == "hash" ? 0.05 : 0.02));
    }
  }
}

TEST_CASE("when a weight grows, hash moves keys to that server only, and none between the others") {
  auto upstream = upstream_of("hash", {1, 1, 1, 1});
  auto selector = upstream->make_selector(1);
  const auto owner = [&](std::uint64_t number) {
    const std::uint32_t index = selector->choose_and_acquire(key(number)).value();
    upstream->release(index);
    return index;
  };
  std::vector<std::uint32_t> before;
  for (std::uint64_t number = 0; number < 4'000; ++number)
    before.push_back(owner(number));
  upstream->set_weight(2, 3);
  std::uint32_t moved = 0;
  for (std::uint64_t number = 0; number < 4'000; ++number) {
    const std::uint32_t after = owner(number);
    if (after == before[number]) continue;
    ++moved;
    REQUIRE(after == 2);
  }
  // From a quarter to a half of all keys.
  CHECK(moved > 800);
  CHECK(moved < 1'200);
}

TEST_CASE("a retry does not go to an ejected server that is draining") {
  UpstreamSettings settings = settings_of("round_robin");
  settings.outlier.consecutive_errors = 1;
  UpstreamState upstream(settings, servers_of_weights({1, 1}));
  auto selector = upstream.make_selector(1);
  upstream.record_outcome(0, Outcome::error, 0);
  const std::vector<std::uint32_t> tried = {1};
  CHECK(selector->choose_and_acquire(Choice{0, tried}) == 0);
  upstream.set_admin_state(0, AdminState::draining);
  CHECK(selector->choose_and_acquire(Choice{0, tried}) == 1);
}

TEST_CASE("health goes on while a server drains, and begins anew when it is enabled after being disabled") {
  auto upstream = checked_upstream_of(settings_of("round_robin"), {1, 1});
  upstream->set_admin_state(0, AdminState::draining);
  take_down(*upstream, 0);
  CHECK(upstream->server(0).health() == Health::down);
  bring_up(*upstream, 0);
  upstream->set_admin_state(0, AdminState::enabled);
  CHECK(upstream->server(0).eligible());

  upstream->set_admin_state(1, AdminState::disabled);
  CHECK(upstream->server(1).health() == Health::up);
  upstream->set_admin_state(1, AdminState::enabled);
  CHECK(upstream->server(1).health() == Health::unknown);
  CHECK_FALSE(upstream->server(1).eligible());
  upstream->record_check(1, true, "status 200");
  CHECK(upstream->server(1).eligible());
}

TEST_CASE("the summary tells drained servers from those that are down") {
  auto upstream = checked_upstream_of(settings_of("round_robin"), {1, 1, 1});
  upstream->set_admin_state(0, AdminState::draining);
  upstream->set_admin_state(1, AdminState::disabled);
  UpstreamSummary summary = upstream->summary();
  CHECK(summary.draining == 1);
  CHECK(summary.disabled == 1);
  CHECK(summary.eligible == 1);
  CHECK(availability_of(summary) == Availability::available);
  take_down(*upstream, 2);
  CHECK(availability_of(upstream->summary()) == Availability::drained);
  CHECK(to_string(Availability::drained) == "drained");
  take_down(*upstream, 0);
  take_down(*upstream, 1);
  CHECK(availability_of(upstream->summary()) == Availability::down);
}

TEST_CASE("what is done to a server through one snapshot holds in another that shares it") {
  for (const char* policy : {"round_robin", "least_connections", "hash"}) {
    CAPTURE(policy);
    const auto servers = servers_of_weights({1, 1});
    UpstreamState before(settings_of(policy), servers);
    auto selector = before.make_selector(1);
    CHECK(shares(before, *selector, 100)[0] > 0);
    UpstreamState after(settings_of(policy), servers);
    after.set_admin_state(0, AdminState::draining);
    CHECK(shares(before, *selector, 100)[0] == 0);
    after.set_admin_state(0, AdminState::enabled);
    after.set_weight(0, 9);
    before.expire_ejections(0);  // the tick that tells an older snapshot's policy
    std::vector<double> held(2, 0.0);
    for (std::uint64_t i = 0; i < 1'000; ++i)
      held[selector->choose_and_acquire(key(i)).value()] += 1;
    CHECK(held[0] > 800);
  }
}
