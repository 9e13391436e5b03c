// Budgets for what costs more to take than to send: leaky buckets, one for each kind. A connection has its
// own; a listener's connections share one, for what counts only over all of them.
#pragma once

#include <array>
#include <cstdint>

#include "azulb/http/flood.hpp"

namespace azulb::http2 {

/// Kinds without a budget (a single one is too much) must not be asked about.
class FloodGuard {
 public:
  /// Counts `count` more. False: more came than an honest client sends.
  bool allows(http::Flood kind, std::int64_t now_ms, std::uint32_t count = 1);
  /// Frames of ours that the client may well answer with one of this kind each.
  void expect(http::Flood kind, std::uint32_t count);

 private:
  struct Bucket {
    std::uint32_t level_milli = 0;
    std::uint32_t counted_ms = 0;  // the clock, cut to 32 bits
  };
  static constexpr std::size_t budget_count = static_cast<std::size_t>(http::Flood::connection_error) + 1;
  std::array<Bucket, budget_count> buckets_{};
};

}  // namespace azulb::http2
