#include "azulb/balance/health_tracker.hpp"

#include <algorithm>

namespace azulb::balance {

namespace {

Health initial_state(HealthInitial initial) {
  switch (initial) {
    case HealthInitial::up:
      return Health::up;
    case HealthInitial::down:
      return Health::down;
    case HealthInitial::probe:
      break;
  }
  return Health::unknown;
}

}  // namespace

std::string_view to_string(Health health) {
  switch (health) {
    case Health::up:
      return "up";
    case Health::down:
      return "down";
    case Health::unknown:
      break;
  }
  return "unknown";
}

HealthTracker::HealthTracker(const HealthSettings& settings)
    : settings_(settings), state_(initial_state(settings.initial)) {}

bool HealthTracker::record(bool passed, std::string_view reason) {
  last_reason_.assign(reason);
  const Health verdict = passed ? Health::up : Health::down;
  if (verdict == state_) {
    contradictions_ = 0;
    return false;
  }
  const unsigned needed =
      state_ == Health::unknown ? 1 : std::max(1U, passed ? settings_.rise : settings_.fall);
  if (++contradictions_ < needed) return false;
  state_ = verdict;
  contradictions_ = 0;
  state_reason_ = last_reason_;
  return true;
}

}  // namespace azulb::balance
