#include "azulb/http2/flood_guard.hpp"

#include <algorithm>

#include "azulb/base/assert.hpp"

namespace azulb::http2 {
namespace {

struct Budget {
  std::uint32_t burst;
  std::uint32_t per_second;
};

/// In the order of http::Flood. Honest clients stay far below: a browser that leaves a page takes back what
/// is under way, gRPC sends a PING for each DATA it gets while it measures the path (those are expected),
/// older browsers shape a tree of priorities with each page, a WebSocket's keys come one by one, and what was
/// under way when we ended a stream, 64 KiB at most, still arrives. A burst is what one connection can cost
/// at once, each time an attacker comes back.
constexpr std::array<Budget, 11> budgets = {{
    /* reset */ {200, 30},
    /* bad_frame */ {50, 5},
    /* ping */ {500, 100},
    /* settings */ {50, 5},
    /* priority */ {500, 100},
    /* window_update */ {1000, 500},
    /* empty_frame */ {100, 20},
    /* tiny_data */ {1000, 500},
    /* late_frame */ {1000, 100},
    /* goaway */ {10, 1},
    /* connection_error */ {200, 20},
}};

constexpr std::uint32_t milli = 1000;

}  // namespace

bool FloodGuard::allows(http::Flood kind, std::int64_t now_ms, std::uint32_t count) {
  const auto index = static_cast<std::size_t>(kind);
  AZULB_ASSERT(index < budget_count);
  static_assert(budgets.size() == budget_count);
  Bucket& bucket = buckets_[index];
  const Budget& budget = budgets[index];
  const auto now = static_cast<std::uint32_t>(now_ms);
  const std::uint64_t leaked = std::uint64_t{now - bucket.counted_ms} * budget.per_second;
  bucket.counted_ms = now;
  bucket.level_milli -= static_cast<std::uint32_t>(std::min<std::uint64_t>(leaked, bucket.level_milli));
  if (bucket.level_milli >= budget.burst * milli) return false;
  bucket.level_milli += count * milli;
  return true;
}

void FloodGuard::expect(http::Flood kind, std::uint32_t count) {
  Bucket& bucket = buckets_[static_cast<std::size_t>(kind)];
  bucket.level_milli -= std::min(count * milli, bucket.level_milli);
}

}  // namespace azulb::http2
