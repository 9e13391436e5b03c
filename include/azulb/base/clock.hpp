// Time: the monotonic clock that deadlines and durations use, and the wall clock that people read.
#pragma once

#include <time.h>

#include <cstdint>

namespace azulb::base {

/// Nanoseconds of CLOCK_MONOTONIC. Any thread; no system call (vDSO).
inline std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

inline std::int64_t monotonic_ms() {
  return monotonic_ns() / 1'000'000;
}

/// Nanoseconds since 1970-01-01T00:00:00Z.
inline std::int64_t wall_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

/// Seconds since 1970-01-01T00:00:00Z, as of the kernel's last tick (at most some 10 ms ago): a fifth of the
/// cost.
inline std::int64_t wall_clock_coarse_s() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

}  // namespace azulb::base
