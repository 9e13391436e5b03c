#include <doctest/doctest.h>

#include <string>

#include "azulb/balance/hash_key.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

TEST_CASE("a preview names the server that is chosen next, and changes nothing") {
  for (const char* policy : {"round_robin", "least_connections", "hash"}) {
    CAPTURE(policy);
    auto upstream = upstream_of(policy, {3, 1, 2});
    auto selector = upstream->make_selector(1);
    for (int i = 0; i < 200; ++i) {
      const Choice choice{hash_key(std::to_string(i)), {}};
      const auto expected = upstream->preview(choice);
      CHECK(upstream->preview(choice) == expected);
      CHECK(upstream->total_active() == static_cast<std::uint64_t>(i));
      if (i == 100) upstream->set_admin_state(0, AdminState::draining);
      const auto after = upstream->preview(choice);
      REQUIRE(selector->choose_and_acquire(choice) == after);
      if (i != 100) CHECK(after == expected);
    }
  }
}

TEST_CASE("a preview of random_two is one that may be chosen, and of nothing eligible nothing") {
  auto upstream = upstream_of("random_two", {1, 1, 1});
  upstream->set_admin_state(1, AdminState::disabled);
  for (int i = 0; i < 50; ++i) {
    const auto seen = upstream->preview({});
    REQUIRE(seen);
    CHECK(*seen != 1);
  }
  upstream->set_admin_state(0, AdminState::disabled);
  upstream->set_admin_state(2, AdminState::disabled);
  CHECK_FALSE(upstream->preview({}));
}
