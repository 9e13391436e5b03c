// Counts what this thread allocates, to show that a warm path allocates nothing.
#pragma once

#include <cstdint>

namespace azulb::test {

/// False under a sanitizer: then every count is 0.
bool allocations_are_counted();
/// Allocations of this thread since it began, by operator new or by malloc.
std::uint64_t allocation_count();

}  // namespace azulb::test
