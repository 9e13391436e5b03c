#include <doctest/doctest.h>

#include <cstring>

#include "azulb/base/buffer.hpp"
#include "azulb/base/pooled_memory.hpp"

using namespace azulb;

TEST_CASE("pooled memory is counted with what the buffers hold, until it is freed") {
  const std::uint64_t before = base::buffered_bytes();
  void* memory = base::pooled_allocate(300);
  CHECK(base::buffered_bytes() >= before + 300);
  base::pooled_free(memory);
  CHECK(base::buffered_bytes() == before);
  base::pooled_free(nullptr);
}

TEST_CASE("pooled memory keeps its bytes as it grows, across every size") {
  auto* memory = static_cast<char*>(base::pooled_reallocate(nullptr, 1));
  memory[0] = 'a';
  for (std::size_t size = 2; size < 300'000; size *= 2) {
    memory = static_cast<char*>(base::pooled_reallocate(memory, size));
    std::memset(memory + size / 2, 'a', size - size / 2);
    for (std::size_t at = 0; at < size; at += 37)
      REQUIRE(memory[at] == 'a');
  }
  base::pooled_free(memory);
}

TEST_CASE("pooled memory is aligned for anything") {
  for (const std::size_t size : {1U, 17U, 48U, 100U, 1000U, 70'000U}) {
    void* memory = base::pooled_allocate(size);
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % alignof(std::max_align_t) == 0);
    base::pooled_free(memory);
  }
}
