#include "azulb/balance/retry.hpp"

#include <algorithm>

#include "azulb/base/assert.hpp"

namespace azulb::balance {

namespace {

std::uint32_t condition_of_status(int status) {
  switch (status) {
    case 403:
      return retry_http_403;
    case 404:
      return retry_http_404;
    case 429:
      return retry_http_429;
    case 500:
      return retry_http_500;
    case 502:
      return retry_http_502;
    case 503:
      return retry_http_503;
    case 504:
      return retry_http_504;
    default:
      return 0;
  }
}

/// Full jitter: anything from 0 to the backoff, which doubles with each attempt.
std::int64_t jittered_delay_ms(std::int64_t backoff_ms, std::uint32_t attempts_made, std::uint64_t random) {
  if (backoff_ms <= 0) return 0;
  std::int64_t ceiling_ms = std::min(backoff_ms, max_backoff_ms);
  for (std::uint32_t i = 1; i < attempts_made && ceiling_ms < max_backoff_ms; ++i)
    ceiling_ms *= 2;
  ceiling_ms = std::min(ceiling_ms, max_backoff_ms);
  const auto choices = static_cast<std::uint64_t>(ceiling_ms) + 1;
  return static_cast<std::int64_t>(((random >> 32U) * choices) >> 32U);
}

GiveUp obstacle(const RetrySettings& settings, const AttemptFailure& failure) {
  if (failure.response_started) return GiveUp::response_started;
  if ((condition_of(failure) & settings.on) == 0) return GiveUp::condition_off;
  if (failure.attempts_made >= settings.attempts) return GiveUp::attempts_used_up;
  if (!failure.body_replayable) return GiveUp::body_not_replayable;
  const bool harmless =
      failure.idempotent || !failure.may_be_processed || (settings.on & retry_non_idempotent) != 0;
  return harmless ? GiveUp::none : GiveUp::not_idempotent;
}

}  // namespace

std::string_view to_string(GiveUp reason) {
  switch (reason) {
    case GiveUp::condition_off:
      return "condition_off";
    case GiveUp::attempts_used_up:
      return "attempts_used_up";
    case GiveUp::time_over:
      return "time_over";
    case GiveUp::response_started:
      return "response_started";
    case GiveUp::body_not_replayable:
      return "body_not_replayable";
    case GiveUp::not_idempotent:
      return "not_idempotent";
    case GiveUp::budget_exhausted:
      return "budget_exhausted";
    case GiveUp::none:
      break;
  }
  return "none";
}

std::uint32_t condition_of(const AttemptFailure& failure) {
  switch (failure.kind) {
    case FailureKind::error:
      return retry_error;
    case FailureKind::timeout:
      return retry_timeout;
    case FailureKind::invalid_header:
      return retry_invalid_header;
    case FailureKind::status:
      break;
  }
  return condition_of_status(failure.status);
}

RetryDecision decide_retry(const RetrySettings& settings, const AttemptFailure& failure,
                           std::uint64_t random) {
  if (const GiveUp reason = obstacle(settings, failure); reason != GiveUp::none)
    return RetryDecision{reason, 0};
  const std::int64_t delay_ms = jittered_delay_ms(settings.backoff.count(), failure.attempts_made, random);
  const std::int64_t timeout_ms = settings.timeout.count();
  if (timeout_ms > 0 && failure.elapsed_ms + delay_ms >= timeout_ms)
    return RetryDecision{GiveUp::time_over, 0};
  return RetryDecision{GiveUp::none, delay_ms};
}

bool RetryBudget::try_acquire(std::uint64_t live_requests) {
  const double share = std::max(0.0, budget_) * static_cast<double>(live_requests) + 1e-6;
  const auto limit = std::max<double>(always_allowed, share);
  std::uint32_t in_flight = in_flight_.load(std::memory_order_relaxed);
  while (static_cast<double>(in_flight) + 1 <= limit) {
    if (in_flight_.compare_exchange_weak(in_flight, in_flight + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void RetryBudget::release() {
  const std::uint32_t before = in_flight_.fetch_sub(1, std::memory_order_relaxed);
  AZULB_ASSERT(before > 0);
}

void RetryBudget::record(bool succeeded) {
  if (!succeeded) {
    failures_in_a_row_.fetch_add(1, std::memory_order_relaxed);
  } else if (failures_in_a_row_.load(std::memory_order_relaxed) != 0) {
    failures_in_a_row_.store(0, std::memory_order_relaxed);
  }
}

}  // namespace azulb::balance
