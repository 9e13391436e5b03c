// Counts what this thread allocates with operator new, to show that a warm path allocates nothing.
#pragma once

#include <cstdint>

namespace azulb::test {

/// Allocations of this thread since it began.
std::uint64_t allocation_count();

}  // namespace azulb::test
