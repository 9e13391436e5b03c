// What a load run was asked to do, and what came of it.
#pragma once

#include <netinet/in.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace azulb::bench {

struct Options {
  std::string mode = "closed";  // closed | connection | rate | idle | websocket_echo | websocket_idle
  sockaddr_in address{};
  std::string path = "/";
  bool tls = false;
  bool resume = false;  // mode connection over TLS: resume sessions
  unsigned connections = 32;
  double seconds = 1.0;
  double rate = 0;                  // requests per second, mode rate
  std::size_t message_bytes = 128;  // payload of a WebSocket message
  std::int64_t expect_bytes = -1;   // body length that every response must have; -1 = any
};

// Latency histogram over nanoseconds: 128 linear steps per power of two, so a value is known to within 0.8 %.
class Histogram {
 public:
  void add(std::int64_t value_ns) {
    const auto value = static_cast<std::uint64_t>(value_ns < 0 ? 0 : value_ns);
    ++counts_[index_of(value)];
    ++total_;
  }

  // Upper edge of the step that holds the given share (0 to 1) of all values, in nanoseconds.
  std::uint64_t percentile(double share) const;

 private:
  static constexpr unsigned kStepBits = 7;
  static constexpr std::size_t kSteps = std::size_t{1} << kStepBits;

  static std::size_t index_of(std::uint64_t value) {
    if (value < kSteps) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kStepBits - 1;
    return shift * kSteps + static_cast<std::size_t>(value >> shift);
  }

  std::array<std::uint64_t, (64 - kStepBits + 1) * kSteps> counts_{};
  std::uint64_t total_ = 0;
};

struct Results {
  std::uint64_t requests = 0;    // answered as expected
  std::uint64_t errors = 0;      // wrong status, length or bytes, early close, no answer in time
  std::uint64_t reconnects = 0;  // keep-alive connections that the peer closed between requests
  std::uint64_t bytes = 0;       // body or payload bytes received
  double seconds = 0;
  std::string first_error;
  Histogram latency;

  void fail(std::string_view why);
};

// One line of JSON on standard output.
void print_json(const Options& options, const Results& results);

}  // namespace azulb::bench
