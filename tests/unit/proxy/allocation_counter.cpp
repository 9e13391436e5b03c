#include "allocation_counter.hpp"

#include <cstddef>

// Every allocation ends in malloc, calloc or realloc: counted there, so that neither operator new nor a call
// of malloc slips through. A sanitizer brings an allocator of its own, which is not to be replaced.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
thread_local std::uint64_t allocations = 0;
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);

void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
}

bool azulb::test::allocations_are_counted() {
  return true;
}
std::uint64_t azulb::test::allocation_count() {
  return allocations;
}

#else

bool azulb::test::allocations_are_counted() {
  return false;
}
std::uint64_t azulb::test::allocation_count() {
  return 0;
}

#endif
