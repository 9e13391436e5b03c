// Rise and fall: turns single checks of a server into its state. A pure state machine; main thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace azulb::balance {

enum class Health : std::uint8_t { unknown, up, down };

/// "unknown", "up", "down".
std::string_view to_string(Health health);

enum class HealthInitial : std::uint8_t { probe, up, down };

/// The keys of [upstream.*.health] that decide; how a check is made is the prober's business.
struct HealthSettings {
  unsigned rise = 2;  // passes in a row before a down server is up; at least 1
  unsigned fall = 3;  // failures in a row before an up server is down; at least 1
  HealthInitial initial = HealthInitial::probe;
};

class HealthTracker {
 public:
  explicit HealthTracker(const HealthSettings& settings);

  /// Feeds one finished check. `reason` says what was seen ("connection refused", "status 500", "status
  /// 200"). Returns whether the state changed. The first check of a `probe` server decides at once, either
  /// way; from then on `rise` and `fall` count.
  bool record(bool passed, std::string_view reason);

  Health state() const { return state_; }
  /// The reason of the check that led to the present state; empty before the first change.
  const std::string& state_reason() const { return state_reason_; }
  /// The reason of the latest check.
  const std::string& last_reason() const { return last_reason_; }
  /// True while the next checks may change the state (`fast_interval` applies): no verdict yet, or some
  /// checks in a row, but not yet enough, have contradicted the state.
  bool between_states() const { return state_ == Health::unknown || contradictions_ > 0; }

 private:
  HealthSettings settings_;
  Health state_;
  unsigned contradictions_ = 0;  // checks in a row that speak against state_
  std::string state_reason_;
  std::string last_reason_;
};

}  // namespace azulb::balance
