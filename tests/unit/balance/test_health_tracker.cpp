#include <doctest/doctest.h>

#include "azulb/balance/health_tracker.hpp"

using azulb::balance::Health;
using azulb::balance::HealthInitial;
using azulb::balance::HealthSettings;
using azulb::balance::HealthTracker;

TEST_CASE("the first check of a probed server decides at once, for good or ill") {
  HealthTracker passes{HealthSettings{}};
  CHECK(passes.state() == Health::unknown);
  CHECK(passes.between_states());
  CHECK(passes.record(true, "status 200"));
  CHECK(passes.state() == Health::up);
  CHECK_FALSE(passes.between_states());

  HealthTracker fails{HealthSettings{}};
  CHECK(fails.record(false, "connection refused"));
  CHECK(fails.state() == Health::down);
  CHECK(fails.state_reason() == "connection refused");
}

TEST_CASE("an up server falls with the last of `fall` failures in a row and says why") {
  HealthTracker tracker{HealthSettings{2, 3, HealthInitial::up}};
  CHECK(tracker.state() == Health::up);
  CHECK_FALSE(tracker.record(false, "timeout"));
  CHECK(tracker.between_states());
  CHECK_FALSE(tracker.record(false, "timeout"));
  CHECK_FALSE(tracker.record(true, "status 200"));
  CHECK_FALSE(tracker.between_states());
  CHECK_FALSE(tracker.record(false, "timeout"));
  CHECK_FALSE(tracker.record(false, "timeout"));
  CHECK(tracker.record(false, "status 500"));
  CHECK(tracker.state() == Health::down);
  CHECK(tracker.state_reason() == "status 500");
  CHECK_FALSE(tracker.record(false, "timeout"));
  CHECK(tracker.state_reason() == "status 500");
  CHECK(tracker.last_reason() == "timeout");
}

TEST_CASE("a down server rises with the last of `rise` passes in a row") {
  HealthTracker tracker{HealthSettings{2, 3, HealthInitial::down}};
  CHECK(tracker.state() == Health::down);
  CHECK_FALSE(tracker.record(true, "status 200"));
  CHECK(tracker.between_states());
  CHECK_FALSE(tracker.record(false, "timeout"));
  CHECK_FALSE(tracker.record(true, "status 200"));
  CHECK(tracker.record(true, "status 200"));
  CHECK(tracker.state() == Health::up);
}

TEST_CASE("a rise or fall of 0 counts as 1") {
  HealthTracker tracker{HealthSettings{0, 0, HealthInitial::up}};
  CHECK(tracker.record(false, "timeout"));
  CHECK(tracker.record(true, "status 200"));
}
