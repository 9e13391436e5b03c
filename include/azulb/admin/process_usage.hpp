// What this process costs, as the kernel counts it.
#pragma once

#include <cstdint>
#include <span>

namespace azulb::admin {

struct ProcessUsage {
  std::uint64_t resident_memory_bytes = 0;
  std::uint64_t cpu_microseconds = 0;  // user and system, all threads
  std::uint64_t open_fds = 0;          // in all tables
  std::uint64_t max_fds = 0;           // in each
};

/// Reads /proc/self and asks the kernel; what cannot be read is 0. Some tens of microseconds, and as much
/// again for every hundred descriptors. `table_threads`: those with a descriptor table apart from main's.
ProcessUsage read_process_usage(std::span<const int> table_threads);

}  // namespace azulb::admin
