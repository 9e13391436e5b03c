// Counts that one thread writes and another may read at any time: plain loads and stores, no locked
// instruction.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace azulb::base {

/// A number that only grows. One writing thread; any thread may read. A reader sees a value that was true a
/// moment ago.
class Counter {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// A number that rises and falls, never below zero. One writing thread; any thread may read.
class Gauge {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - amount, std::memory_order_relaxed);
  }
  void set(std::uint64_t amount) { value_.store(amount, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// How often a duration fell into each of a fixed set of ranges, and the sum of all. One writing thread; any
/// thread may read; what it reads may lack part of an observation made at that moment.
class Histogram {
 public:
  /// Upper bounds of the ranges, inclusive, in nanoseconds: 500 µs to 60 s. A last range without a bound
  /// follows.
  static constexpr std::array<std::int64_t, 16> bounds_ns = {
      500'000,       1'000'000,      2'500'000,      5'000'000,     10'000'000,    25'000'000,
      50'000'000,    100'000'000,    250'000'000,    500'000'000,   1'000'000'000, 2'500'000'000,
      5'000'000'000, 10'000'000'000, 30'000'000'000, 60'000'000'000};
  static constexpr std::size_t range_count = bounds_ns.size() + 1;

  /// A negative duration counts as zero.
  void observe(std::int64_t duration_ns) {
    if (duration_ns < 0) duration_ns = 0;
    std::size_t range = 0;
    while (range < bounds_ns.size() && duration_ns > bounds_ns[range])
      ++range;
    counts_[range].add();
    sum_ns_.add(static_cast<std::uint64_t>(duration_ns));
  }

  /// Observations in one range (not cumulative). `range` < range_count.
  std::uint64_t count(std::size_t range) const { return counts_[range].value(); }
  std::uint64_t sum_ns() const { return sum_ns_.value(); }

 private:
  std::array<Counter, range_count> counts_;
  Counter sum_ns_;
};

}  // namespace azulb::base
