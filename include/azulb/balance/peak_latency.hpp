// How long a server takes to answer, as policy least_time sees it: a moving average that jumps up at once to
// a slower answer and comes down little by little ("peak EWMA", as in Twitter's Finagle).
#pragma once

#include <atomic>
#include <cstdint>

namespace azulb::balance {

/// Any thread, lock-free.
class PeakLatency {
 public:
  /// Slower answers count as this one: some eight seconds.
  static constexpr std::uint32_t longest_us = (1U << 23U) - 1;
  /// What an attempt without an answer counts as, if it did not take longer still.
  static constexpr std::uint32_t failed_us = 1'000'000;
  /// The distance to faster answers halves in about this time, however many there are.
  static constexpr std::int64_t fade_ms = 250;
  /// What was seen longer ago than this tells nothing: the server is tried again with one request.
  static constexpr std::int64_t memory_ms = 20'000;

  PeakLatency() = default;
  PeakLatency(const PeakLatency& other) : bits_(other.bits_.load(std::memory_order_relaxed)) {}
  PeakLatency& operator=(const PeakLatency&) = delete;

  /// An answer after `latency_us`, at `now_ms` by the monotonic clock.
  void observe(std::int64_t latency_us, std::int64_t now_ms);
  /// Forgets what is older than `memory_ms`.
  void forget_old(std::int64_t now_ms);
  /// 0: not known.
  std::uint32_t value_us() const {
    return static_cast<std::uint32_t>(bits_.load(std::memory_order_relaxed) & latency_mask);
  }

 private:
  static constexpr unsigned time_shift = 24;
  static constexpr std::uint64_t latency_mask = (1U << time_shift) - 1;

  // Latency and the time of its observation in one word, so that neither is read with the other's successor.
  std::atomic<std::uint64_t> bits_{0};
};

}  // namespace azulb::balance
