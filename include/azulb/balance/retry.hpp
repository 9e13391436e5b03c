// Whether a failed attempt is followed by another: a pure function, and the budget that all workers share.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "azulb/base/units.hpp"

namespace azulb::balance {

/// Conditions of `retry.on`, as bits (the same bits as the configuration's).
enum RetryCondition : std::uint32_t {
  retry_error = 1U << 0,
  retry_timeout = 1U << 1,
  retry_invalid_header = 1U << 2,
  retry_http_500 = 1U << 3,
  retry_http_502 = 1U << 4,
  retry_http_503 = 1U << 5,
  retry_http_504 = 1U << 6,
  retry_http_403 = 1U << 7,
  retry_http_404 = 1U << 8,
  retry_http_429 = 1U << 9,
  retry_non_idempotent = 1U << 10,
};

/// The keys of [upstream.*.retry] that decide. `on = ["off"]` is 0.
struct RetrySettings {
  std::uint32_t on =
      retry_error | retry_timeout | retry_invalid_header | retry_http_502 | retry_http_503 | retry_http_504;
  std::uint32_t attempts = 3;                          // tries in all
  base::Milliseconds timeout = base::Milliseconds(0);  // 0 = no limit
  base::Milliseconds backoff = base::Milliseconds(0);
  double budget = 0.2;

  bool operator==(const RetrySettings&) const = default;
};

/// No single backoff is longer, however often it was doubled.
inline constexpr std::int64_t max_backoff_ms = 30'000;

enum class FailureKind : std::uint8_t {
  error,           // cannot connect, reset or closed before a complete head
  timeout,         // timeout.connect, timeout.response
  invalid_header,  // the server's head is not HTTP
  status,          // a complete head came; `status` says which
};

struct AttemptFailure {
  FailureKind kind = FailureKind::error;
  int status = 0;                   // for FailureKind::status
  std::uint32_t attempts_made = 1;  // this one included
  std::int64_t elapsed_ms = 0;      // since the first attempt began
  bool idempotent = true;           // RFC 9110 section 9.2.2, and no method override
  bool may_be_processed = true;     // false only if provably the server has not acted upon the request
  bool body_replayable = true;      // every body byte taken from the client so far is still held
  bool response_started = false;    // something of a final response has gone to the client
};

enum class GiveUp : std::uint8_t {
  none,  // not given up
  condition_off,
  attempts_used_up,
  time_over,
  response_started,
  body_not_replayable,
  not_idempotent,
  budget_exhausted,  // never from decide_retry: for the caller whose RetryBudget refused
};

/// One lower-case word for logs and metrics.
std::string_view to_string(GiveUp reason);

struct RetryDecision {
  GiveUp give_up = GiveUp::none;
  std::int64_t delay_ms = 0;  // 0 = retry now; meaningless when given up

  bool retry() const { return give_up == GiveUp::none; }
};

/// The bit of `failure` in `retry.on`; 0 for a status that no condition names.
std::uint32_t condition_of(const AttemptFailure& failure);

/// `random` is 64 random bits, for the full jitter. Pure; any thread. The caller still has to ask
/// RetryBudget.
RetryDecision decide_retry(const RetrySettings& settings, const AttemptFailure& failure,
                           std::uint64_t random);

/// Retries under way in one upstream, all workers together: at most max(3, budget x live requests).
/// Lock-free.
class RetryBudget {
 public:
  static constexpr std::uint32_t always_allowed = 3;

  explicit RetryBudget(double budget) : budget_(budget) {}

  /// `live_requests`: UpstreamState::total_active(). True = counted; give it back with release() when that
  /// attempt has ended.
  bool try_acquire(std::uint64_t live_requests);
  void release();
  /// How a retry that held a place went. Told by every one, before its release.
  void record(bool succeeded);
  /// While the budget is used up: whether a place is worth waiting for, since retries succeed. When the
  /// latest ones have all failed, more of them would only add to the load of an upstream that is down.
  bool worth_waiting() const { return failures_in_a_row_.load(std::memory_order_relaxed) < always_allowed; }
  std::uint32_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

 private:
  double budget_;
  std::atomic<std::uint32_t> in_flight_{0};
  std::atomic<std::uint32_t> failures_in_a_row_{0};
};

}  // namespace azulb::balance
