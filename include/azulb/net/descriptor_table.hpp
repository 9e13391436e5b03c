// A thread's own table of descriptors.
#pragma once

#include <span>

namespace azulb::net {

/// Threads share one table, and the kernel then counts every use of a descriptor with locked instructions:
/// 4 % of a small request. After this call the calling thread alone has a table that holds the descriptors 0,
/// 1, 2 and those of `kept`, by the same numbers; all others are closed in it, so that it keeps nothing of
/// other threads open. From then on a descriptor that another thread opens means nothing here, and the other
/// way round; closing one of `kept` closes it here only.
///
/// False, with nothing changed, where the kernel (before 5.11) or a sandbox forbids it: then all is as usual.
bool make_own_descriptor_table(std::span<const int> kept);

}  // namespace azulb::net
