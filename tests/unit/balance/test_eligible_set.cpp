#include <doctest/doctest.h>

#include <vector>

#include "azulb/balance/eligible_set.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

TEST_CASE("the set looks at the servers again only when the generation has moved") {
  auto upstream = checked_upstream_of(settings_of("round_robin"), {1, 1, 1});
  EligibleSet set(*upstream);
  CHECK(set.refresh());
  CHECK_FALSE(set.refresh());
  upstream->acquire(0);
  upstream->release(0);
  CHECK_FALSE(set.refresh());
  take_down(*upstream, 1);
  CHECK(set.refresh());
  CHECK(std::vector<std::uint32_t>(set.members().begin(), set.members().end()) ==
        std::vector<std::uint32_t>{0, 2});
  CHECK_FALSE(set.refresh());
}

TEST_CASE("untried members are found whatever else was tried") {
  auto upstream = checked_upstream_of(settings_of("round_robin"), {1, 1, 1});
  take_down(*upstream, 1);
  EligibleSet set(*upstream);
  set.refresh();
  const auto has_untried = [&set](const std::vector<std::uint32_t>& tried) {
    return set.has_untried(Choice{0, tried});
  };
  CHECK(has_untried({}));
  CHECK(has_untried({0, 1}));
  CHECK(has_untried({1, 1, 1}));
  CHECK_FALSE(has_untried({2, 0}));
  CHECK_FALSE(has_untried({0, 1, 2}));
}
