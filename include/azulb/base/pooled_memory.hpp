// Memory for C libraries that take an allocator of their user's: from the calling thread's pool of blocks,
// and counted with what the buffers hold.
#pragma once

#include <cstddef>

namespace azulb::base {

/// As malloc, realloc and free. What one thread has allocated only that thread may free.
void* pooled_allocate(std::size_t size_bytes);
void* pooled_reallocate(void* memory, std::size_t size_bytes);
void pooled_free(void* memory);

}  // namespace azulb::base
