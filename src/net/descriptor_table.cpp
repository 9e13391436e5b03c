#include "azulb/net/descriptor_table.hpp"

#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "azulb/base/assert.hpp"

namespace azulb::net {
namespace {

// ThreadSanitizer takes equal numbers in two tables for one descriptor, and finds races.
#ifdef __SANITIZE_THREAD__
constexpr bool knows_one_table = true;
#else
constexpr bool knows_one_table = false;
#endif

bool close_range_of(unsigned first, unsigned last, unsigned flags) {
  return syscall(SYS_close_range, first, last, flags) == 0;
}

}  // namespace

bool make_own_descriptor_table(std::span<const int> kept) {
  if (knows_one_table) return false;
  AZULB_ASSERT(std::all_of(kept.begin(), kept.end(), [](int descriptor) { return descriptor >= 0; }));
  std::vector<unsigned> sorted(kept.begin(), kept.end());
  sorted.insert(sorted.end(), {0, 1, 2});
  std::sort(sorted.begin(), sorted.end());
  // One call takes the table and closes what lies behind the last: container sandboxes that forbid unshare(2)
  // allow it.
  if (!close_range_of(sorted.back() + 1, ~0U, CLOSE_RANGE_UNSHARE)) return false;
  for (std::size_t index = 0; index + 1 < sorted.size(); ++index) {
    if (sorted[index + 1] > sorted[index] + 1) {
      close_range_of(sorted[index] + 1, sorted[index + 1] - 1, 0);
    }
  }
  return true;
}

}  // namespace azulb::net
