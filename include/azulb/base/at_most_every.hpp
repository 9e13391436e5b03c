// For what would otherwise be said again and again.
#pragma once

#include <cstdint>
#include <limits>

namespace azulb::base {

/// Lets something happen once in an interval. One thread.
class AtMostEvery {
 public:
  explicit AtMostEvery(std::int64_t interval_ms) : interval_ms_(interval_ms) {}

  /// True, and the interval begins, if none is running. `now_ms`: a monotonic clock.
  bool due(std::int64_t now_ms) {
    if (now_ms < next_ms_) return false;
    next_ms_ = now_ms + interval_ms_;
    return true;
  }

 private:
  const std::int64_t interval_ms_;
  std::int64_t next_ms_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace azulb::base
