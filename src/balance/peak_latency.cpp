#include "azulb/balance/peak_latency.hpp"

#include <algorithm>

namespace azulb::balance {

void PeakLatency::observe(std::int64_t latency_us, std::int64_t now_ms) {
  const std::int64_t sample_us = std::clamp<std::int64_t>(latency_us, 1, longest_us);
  std::uint64_t before = bits_.load(std::memory_order_relaxed);
  for (;;) {
    std::int64_t average_us = sample_us;
    if (const auto before_us = static_cast<std::int64_t>(before & latency_mask); sample_us < before_us) {
      // By the time that has passed, not by the number of answers: a busy server doesn't forget sooner.
      const std::int64_t passed_ms =
          std::clamp<std::int64_t>(now_ms - static_cast<std::int64_t>(before >> time_shift), 0, memory_ms);
      if (passed_ms == 0) return;
      // Rounded up: with an answer every millisecond, a small distance would never be made smaller else.
      const std::int64_t span_ms = passed_ms + fade_ms;
      average_us = before_us - ((before_us - sample_us) * passed_ms + span_ms - 1) / span_ms;
    }
    const std::uint64_t after =
        (static_cast<std::uint64_t>(now_ms) << time_shift) | static_cast<std::uint64_t>(average_us);
    if (bits_.compare_exchange_weak(before, after, std::memory_order_relaxed)) return;
  }
}

void PeakLatency::forget_old(std::int64_t now_ms) {
  std::uint64_t before = bits_.load(std::memory_order_relaxed);
  if (before == 0 || now_ms - static_cast<std::int64_t>(before >> time_shift) < memory_ms) return;
  bits_.compare_exchange_strong(before, 0, std::memory_order_relaxed);  // lost: somebody has just observed
}

}  // namespace azulb::balance
