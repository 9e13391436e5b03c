// Passive checks: what live traffic tells of a server, and the ejections that follow.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "azulb/balance/server_state.hpp"
#include "azulb/base/units.hpp"

namespace azulb::balance {

/// The keys of [upstream.*.outlier].
struct OutlierSettings {
  std::uint32_t consecutive_errors = 5;  // 0 = off
  std::uint32_t consecutive_5xx = 0;     // 0 = off
  base::Milliseconds ejection = std::chrono::seconds(10);
  double max_ejected = 0.5;

  bool operator==(const OutlierSettings&) const = default;
};

/// No ejection lasts longer, however often it was doubled.
inline constexpr std::int64_t max_ejection_ms = 300'000;  // five minutes

/// How an attempt ended, as far as the server is concerned. An attempt that the client cancelled has no
/// outcome.
enum class Outcome : std::uint8_t {
  success,     // answered, below 500
  status_5xx,  // answered 500..599
  error,       // connect error, timeout, reset, invalid response
};

struct Ejection {
  enum class Verdict : std::uint8_t {
    none,
    ejected,   // by this call, and by no other: log it
    withheld,  // earned, but max_ejected forbids it; reported once per row of failures
  };
  Verdict verdict = Verdict::none;
  Outcome cause = Outcome::success;  // error or status_5xx when verdict is not none
  std::uint32_t failures = 0;        // how many in a row
  std::int64_t duration_ms = 0;      // of the ejection
};

/// Ejects servers of one upstream. Lock-free; record() is called by any worker, expire() by main.
class Outlier {
 public:
  Outlier(const OutlierSettings& settings, std::span<const std::shared_ptr<ServerState>> servers);

  Ejection record(std::uint32_t index, Outcome outcome, std::int64_t now_ms);
  /// Ends what is over, and counts anew what another UpstreamState has changed in the shared servers. The
  /// indexes that are no longer ejected are appended to `returned`.
  void expire(std::int64_t now_ms, std::vector<std::uint32_t>& returned);

  /// True after each expire(); between two of them it may be too high while an ejection is just being made.
  std::uint32_t ejected_count() const { return ejected_count_.load(std::memory_order_relaxed); }
  /// floor(max_ejected x servers): 0 for one server at 0.5, 1 for two.
  std::uint32_t ejected_limit() const { return ejected_limit_; }

 private:
  Ejection eject(std::uint32_t index, Outcome cause, std::uint32_t failures, std::uint32_t threshold,
                 std::int64_t now_ms);
  bool reserve_ejection();
  std::int64_t ejection_duration_ms(std::uint32_t ejections_before) const;

  OutlierSettings settings_;
  std::span<const std::shared_ptr<ServerState>> servers_;
  std::uint32_t ejected_limit_;
  std::atomic<std::uint32_t> ejected_count_{0};
  std::unique_ptr<std::atomic<bool>[]> counted_;  // per server: whether ejected_count_ includes it
};

}  // namespace azulb::balance
