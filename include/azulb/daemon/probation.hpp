// Whether a configuration that has just been loaded does worse than the one before it: decisions only.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "azulb/base/counter.hpp"
#include "azulb/config/config.hpp"
#include "azulb/proxy/metrics.hpp"

namespace azulb::daemon {

/// What all clients were answered so far, or within a span of time. WebSockets are not counted.
struct Traffic {
  std::array<std::uint64_t, base::Histogram::range_count> requests{};  // by how long they took
  std::uint64_t failed = 0;  // answered 5xx by whoever, or 404 by azulb as no route fits

  static Traffic so_far(const std::vector<const proxy::WorkerMetrics*>& workers);
  /// What has come since `earlier`. Series that have gone meanwhile count as nothing.
  Traffic since(const Traffic& earlier) const;
  std::uint64_t total() const;
  double failed_share() const;
  /// The time that nine of ten requests took at most, in milliseconds, as far as the ranges tell.
  double ninth_tenth_ms() const;
};

/// Main's.
class Probation {
 public:
  enum class Verdict : std::uint8_t { none, passed, failed };

  /// Now and then, with all traffic so far: what is remembered of it is what a configuration that comes next
  /// is measured by. Says what becomes of the one that is on probation; after a verdict none is.
  Verdict observe(const config::Probation& settings, std::int64_t now_ms, const Traffic& so_far);
  /// A configuration has just taken effect. `before` and `after`: all traffic so far, in the series of the
  /// former one and in its own. One that was on probation is not judged any more, and this one is measured by
  /// what that was measured by.
  void begin(const config::Probation& settings, std::int64_t now_ms, const Traffic& before,
             const Traffic& after);
  void end();
  bool running() const { return on_trial_.has_value(); }
  /// Of a configuration that has failed: in words, for the log.
  const std::string& reason() const { return reason_; }

 private:
  struct Moment {
    std::int64_t time_ms;
    Traffic so_far;
  };
  struct Trial {
    config::Probation settings;
    Traffic normal;  // what it is measured by
    Moment begun;
  };
  std::optional<std::string> fault_of(const Trial& trial, const Traffic& now) const;

  std::deque<Moment> history_;  // while nothing is on probation: of about the time that one takes
  std::optional<Trial> on_trial_;
  std::string reason_;
};

}  // namespace azulb::daemon
