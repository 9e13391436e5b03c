#include "load/results.hpp"

#include <fmt/core.h>

#include <cmath>
#include <cstdio>

namespace azulb::bench {

std::uint64_t Histogram::percentile(double share) const {
  if (total_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total_)));
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < counts_.size(); ++index) {
    seen += counts_[index];
    if (seen < wanted || counts_[index] == 0) continue;
    if (index < 2 * kSteps) return index;
    const std::size_t shift = index / kSteps - 1;
    return ((index - shift * kSteps + 1) << shift) - 1;
  }
  return 0;
}

void Results::fail(std::string_view why) {
  ++errors;
  if (first_error.empty()) first_error = why;
}

void print_json(const Options& options, const Results& results) {
  const auto microseconds = [&results](double share) {
    return static_cast<double>(results.latency.percentile(share)) / 1000.0;
  };
  // The reasons in first_error are our own words: nothing to escape.
  fmt::print(
      "{{\"mode\":\"{}\",\"connections\":{},\"requests\":{},\"errors\":{},\"reconnects\":{},\"bytes\":{},"
      "\"seconds\":{:.6f},\"p50_us\":{:.1f},\"p90_us\":{:.1f},\"p99_us\":{:.1f},\"p999_us\":{:.1f},"
      "\"first_error\":\"{}\"}}\n",
      options.mode, options.connections, results.requests, results.errors, results.reconnects, results.bytes,
      results.seconds, microseconds(0.5), microseconds(0.9), microseconds(0.99), microseconds(0.999),
      results.first_error);
  std::fflush(stdout);
}

}  // namespace azulb::bench
