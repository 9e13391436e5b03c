#include <doctest/doctest.h>

#include <atomic>
#include <memory>

#include "azulb/balance/hash_key.hpp"
#include "azulb/balance/upstream_state.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

TEST_CASE("each policy of the configuration has its line in the table") {
  for (const char* name : {"round_robin", "least_connections", "random_two", "least_time", "hash"}) {
    REQUIRE(find_policy(name) != nullptr);
    CHECK(find_policy(name)->name == name);
  }
  CHECK(find_policy("most_time") == nullptr);
}

TEST_CASE("a server without checks is up, a probed one unknown until its first check") {
  UpstreamState unchecked(settings_of("round_robin"), servers_of_weights({1}));
  CHECK(unchecked.server(0).eligible());
  CHECK_FALSE(unchecked.server(0).health_tracker().between_states());

  UpstreamState checked(settings_of("round_robin"), servers_of_weights({1, 1}, true));
  CHECK(checked.server(0).health() == Health::unknown);
  CHECK(availability_of(checked.summary()) == Availability::awaiting_first_check);
  const auto generation = checked.generation();
  CHECK(checked.record_check(0, true, "status 200"));
  CHECK_FALSE(checked.record_check(0, true, "status 200"));
  CHECK(checked.generation() == generation + 1);
  CHECK(checked.server(0).eligible());
  CHECK(availability_of(checked.summary()) == Availability::available);
}

TEST_CASE("the summary counts states and says when an ejected server returns") {
  UpstreamSettings settings = settings_of("round_robin");
  settings.outlier.max_ejected = 1.0;
  settings.outlier.consecutive_errors = 1;
  UpstreamState upstream(settings, servers_of_weights({1, 1, 1, 1}, true));
  upstream.record_check(0, true, "status 200");
  upstream.record_check(1, true, "status 200");
  upstream.record_check(2, false, "refused");
  upstream.record_outcome(1, Outcome::error, 5000);
  UpstreamSummary summary = upstream.summary();
  CHECK(summary.servers == 4);
  CHECK(summary.up == 2);
  CHECK(summary.down == 1);
  CHECK(summary.unknown == 1);
  CHECK(summary.ejected == 1);
  CHECK(summary.eligible == 1);
  CHECK(summary.next_return_ms == 15'000);
  upstream.record_outcome(0, Outcome::error, 4000);
  upstream.record_check(3, false, "refused");
  summary = upstream.summary();
  CHECK(summary.next_return_ms == 14'000);
  CHECK(availability_of(summary) == Availability::ejected);
  take_down(upstream, 0);
  take_down(upstream, 1);
  CHECK(availability_of(upstream.summary()) == Availability::down);
  CHECK(upstream.summary().next_return_ms == 0);
}

TEST_CASE(
    "health and ejection are both needed: a pass does not end an ejection, nor its end a failed check") {
  UpstreamSettings settings = settings_of("round_robin");
  settings.outlier.consecutive_errors = 1;
  auto upstream = checked_upstream_of(settings, {1, 1});
  upstream->record_outcome(0, Outcome::error, 0);
  take_down(*upstream, 0);
  bring_up(*upstream, 0);
  CHECK_FALSE(upstream->server(0).eligible());
  take_down(*upstream, 0);
  upstream->expire_ejections(10'000);
  CHECK_FALSE(upstream->server(0).eligible());
  bring_up(*upstream, 0);
  CHECK(upstream->server(0).eligible());
}

TEST_CASE(
    "every policy counts what it chooses, answers nothing when nothing is eligible, and then counts "
    "nothing") {
  for (const PolicyEntry& policy : policies()) {
    CAPTURE(policy.name);
    auto upstream = checked_upstream_of(settings_of(std::string(policy.name)), {1, 1, 1});
    auto selector = upstream->make_selector(1);
    const auto chosen = selector->choose_and_acquire({});
    REQUIRE(chosen);
    CHECK(upstream->server(*chosen).active() == 1);
    CHECK(upstream->total_active() == 1);
    upstream->release(*chosen);
    CHECK(upstream->server(*chosen).active() == 0);
    for (std::uint32_t i = 0; i < 3; ++i)
      take_down(*upstream, i);
    CHECK_FALSE(selector->choose_and_acquire({}));
    CHECK(upstream->total_active() == 0);
    bring_up(*upstream, 1);
    for (int i = 0; i < 10; ++i)
      CHECK(selector->choose_and_acquire({}) == 1);
    CHECK(upstream->server(1).active() == 10);
  }
}

TEST_CASE("every policy goes to a server not tried yet while there is one, and to a tried one after that") {
  for (const PolicyEntry& policy : policies()) {
    CAPTURE(policy.name);
    // Weights so uneven that the last server is nearly never chosen by itself.
    auto upstream = upstream_of(std::string(policy.name), {60'000, 60'000, 1});
    auto selector = upstream->make_selector(1);
    for (std::uint64_t key = 0; key < 50; ++key) {
      const std::uint64_t hash = hash_key(std::to_string(key));
      std::vector<std::uint32_t> tried;
      for (int attempt = 0; attempt < 3; ++attempt) {
        const auto chosen = selector->choose_and_acquire(Choice{hash, tried});
        REQUIRE(chosen);
        CHECK_FALSE(is_tried(Choice{hash, tried}, *chosen));
        tried.push_back(*chosen);
      }
      const auto again = selector->choose_and_acquire(Choice{hash, tried});
      REQUIRE(again);
      tried.push_back(*again);
      for (const std::uint32_t index : tried)
        upstream->release(index);
    }
    CHECK(upstream->total_active() == 0);
  }
}

TEST_CASE("an upstream whose servers are yet to be discovered is down, and no policy chooses from it") {
  for (const PolicyEntry& entry : policies()) {
    CAPTURE(entry.name);
    UpstreamSettings settings = settings_of(std::string(entry.name));
    settings.hash_load_factor = 1.25;
    UpstreamState upstream(settings, {});
    const auto selector = upstream.make_selector(1);
    CHECK(!selector->choose_and_acquire(Choice{}));
    CHECK(availability_of(upstream.summary()) == Availability::down);
    CHECK(upstream.expire_ejections(1000).empty());
  }
}

TEST_CASE("every policy skips a server that is ejected under its feet by another thread") {
  for (const PolicyEntry& policy : policies()) {
    CAPTURE(policy.name);
    UpstreamSettings settings = settings_of(std::string(policy.name));
    settings.outlier.consecutive_errors = 1;
    UpstreamState upstream(settings, servers_of_weights({1, 1, 1, 1}));
    std::atomic<bool> stop{false};
    std::thread ejector([&] {
      for (std::int64_t now_ms = 0; !stop; now_ms += 100'000'000) {
        upstream.record_outcome(0, Outcome::error, now_ms);
        upstream.record_outcome(3, Outcome::error, now_ms);
        upstream.expire_ejections(now_ms + 50'000'000);
        upstream.record_outcome(0, Outcome::success, now_ms);
        upstream.record_outcome(3, Outcome::success, now_ms);
      }
    });
    std::atomic<unsigned> refused{0};
    on_threads(upstream, 2, [&](unsigned thread, Selector& selector) {
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        const auto chosen = selector.choose_and_acquire(Choice{hash_key(std::to_string(i + thread)), {}});
        if (chosen) upstream.release(*chosen);
        if (!chosen) ++refused;
      }
    });
    stop = true;
    ejector.join();
    CHECK(refused == 0);
    CHECK(upstream.total_active() == 0);
    for (std::uint32_t i = 0; i < 4; ++i)
      CHECK(upstream.server(i).active() == 0);
  }
}

TEST_CASE("choosing costs as much among 10,000 servers as among 10, least connections logarithmically more") {
  for (const PolicyEntry& policy : policies()) {
    CAPTURE(policy.name);
    const auto probes_per_choice = [&policy](std::uint32_t servers, bool tried) {
      auto upstream = upstream_of(std::string(policy.name), std::vector<std::uint32_t>(servers, 1));
      auto selector = upstream->make_selector(7);
      const std::vector<std::uint32_t> two = {0, 5};
      constexpr int choices = 2000;
      for (int i = 0; i < choices; ++i) {
        Choice choice{hash_key(std::to_string(i)), {}};
        if (tried) choice.tried = two;
        REQUIRE(selector->choose_and_acquire(choice));
      }
      return static_cast<double>(selector->probes()) / choices;
    };
    const bool logarithmic = policy.name == "least_connections" || policy.name == "least_time";
    const double factor = logarithmic ? 14.0 / 4.0 + 1.0 : 1.5;
    CHECK(probes_per_choice(10'000, false) <= probes_per_choice(10, false) * factor);
    CHECK(probes_per_choice(10'000, true) <= probes_per_choice(10, true) * factor);
    CHECK(probes_per_choice(10'000, false) >= 1.0);
  }
}
