#include "azulb/admin/process_usage.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace azulb::admin {
namespace {

std::uint64_t microseconds(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_usec);
}

std::uint64_t count_entries(const std::string& directory) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(directory, error);
  if (error) return 0;
  return static_cast<std::uint64_t>(std::distance(begin(entries), end(entries)));
}

std::uint64_t count_descriptors(std::span<const int> table_threads) {
  std::uint64_t count = count_entries("/proc/self/fd");
  if (count > 0) --count;  // without the one that this reading opened
  for (const int thread : table_threads)
    count += count_entries("/proc/self/task/" + std::to_string(thread) + "/fd");
  return count;
}

}  // namespace

ProcessUsage read_process_usage(std::span<const int> table_threads) {
  ProcessUsage usage;
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  if (statm >> size_pages >> resident_pages) {
    usage.resident_memory_bytes = resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  statm.close();
  struct rusage times {};
  if (getrusage(RUSAGE_SELF, &times) == 0) {
    usage.cpu_microseconds = microseconds(times.ru_utime) + microseconds(times.ru_stime);
  }
  struct rlimit limit {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_fds = limit.rlim_cur;
  usage.open_fds = count_descriptors(table_threads);
  return usage;
}

}  // namespace azulb::admin
