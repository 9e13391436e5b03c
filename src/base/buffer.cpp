#include "azulb/base/buffer.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "azulb/base/assert.hpp"
#include "azulb/base/pooled_memory.hpp"

namespace azulb::base {
namespace {

// A larger block is the system allocator's; buffers take none of the small ones. The reserve of each class is
// bounded, so that a burst does not stay in the process for good.
constexpr std::array<std::size_t, 8> block_sizes = {64, 128, 256, 512, 1024, 4096, 16384, 65536};
constexpr std::size_t smallest_buffer_bytes = 1024;
#if defined(__SANITIZE_ADDRESS__)
constexpr std::array<std::size_t, 8> reserve_limits = {};  // so that a use after release is seen
#else
constexpr std::array<std::size_t, 8> reserve_limits = {4096, 4096, 2048, 1024, 1024, 256, 64, 16};
#endif

struct FreeBlock {
  FreeBlock* next;
};

class BlockPool;

// All pools, for the sum over threads. Threads come and go rarely; the request path never takes this lock.
struct PoolRegistry {
  std::mutex mutex;
  std::vector<BlockPool*> pools;
};

PoolRegistry& registry() {
  static PoolRegistry* instance = new PoolRegistry;  // outlives every thread's pool
  return *instance;
}

class BlockPool {
 public:
  BlockPool() {
    const std::lock_guard lock(registry().mutex);
    registry().pools.push_back(this);
  }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool() {
    release_reserve();
    const std::lock_guard lock(registry().mutex);
    std::erase(registry().pools, this);
  }

  /// Null if there is no memory.
  char* acquire(std::size_t& size_bytes) {
    const std::size_t index = class_of(size_bytes);
    if (index < block_sizes.size()) size_bytes = block_sizes[index];
    count(static_cast<std::int64_t>(size_bytes));
    if (index < block_sizes.size() && free_[index] != nullptr) {
      FreeBlock* block = free_[index];
      free_[index] = block->next;
      --reserve_[index];
      return reinterpret_cast<char*>(block);
    }
    void* block = std::malloc(size_bytes);
    if (block == nullptr) count(-static_cast<std::int64_t>(size_bytes));
    return static_cast<char*>(block);
  }

  void release(char* block, std::size_t size_bytes) {
    count(-static_cast<std::int64_t>(size_bytes));
    const std::size_t index = class_of(size_bytes);
    if (index == block_sizes.size() || reserve_[index] == reserve_limits[index]) {
      std::free(block);
      return;
    }
    auto* free_block = reinterpret_cast<FreeBlock*>(block);
    free_block->next = free_[index];
    free_[index] = free_block;
    ++reserve_[index];
  }

  void release_reserve() {
    for (std::size_t index = 0; index < block_sizes.size(); ++index) {
      while (FreeBlock* block = free_[index]) {
        free_[index] = block->next;
        std::free(block);
      }
      reserve_[index] = 0;
    }
  }

  std::int64_t outstanding_bytes() const { return outstanding_.load(std::memory_order_relaxed); }

 private:
  static std::size_t class_of(std::size_t size_bytes) {
    std::size_t index = 0;
    while (index < block_sizes.size() && size_bytes > block_sizes[index])
      ++index;
    return index;
  }
  // One writer, so no read-modify-write instruction is needed.
  void count(std::int64_t change_bytes) {
    outstanding_.store(outstanding_.load(std::memory_order_relaxed) + change_bytes,
                       std::memory_order_relaxed);
  }

  std::array<FreeBlock*, block_sizes.size()> free_{};
  std::array<std::size_t, block_sizes.size()> reserve_{};
  std::atomic<std::int64_t> outstanding_{0};
};

BlockPool& pool() {
  thread_local BlockPool instance;
  return instance;
}

constexpr std::size_t capacity_limit = std::size_t{1} << 30;

}  // namespace

std::span<char> Buffer::prepare(std::size_t size_bytes) {
  if (capacity_ - end_ >= size_bytes && storage_ != nullptr) return {storage_ + end_, capacity_ - end_};
  const std::size_t held = size();
  if (storage_ != nullptr && capacity_ - held >= size_bytes && begin_ >= held) {
    std::memcpy(storage_, storage_ + begin_, held);  // no overlap: begin_ >= held
  } else {
    std::size_t wanted = held + size_bytes;
    if (wanted < 2 * held) wanted = 2 * held;
    AZULB_ASSERT(wanted <= capacity_limit);
    wanted = std::max(wanted, smallest_buffer_bytes);
    char* storage = pool().acquire(wanted);
    if (storage == nullptr) throw std::bad_alloc();
    if (held > 0) std::memcpy(storage, storage_ + begin_, held);
    if (storage_ != nullptr) pool().release(storage_, capacity_);
    storage_ = storage;
    capacity_ = static_cast<std::uint32_t>(wanted);
  }
  begin_ = 0;
  end_ = static_cast<std::uint32_t>(held);
  return {storage_ + end_, capacity_ - end_};
}

void Buffer::commit(std::size_t size_bytes) {
  AZULB_ASSERT(size_bytes <= capacity_ - end_);
  end_ += static_cast<std::uint32_t>(size_bytes);
  if (empty()) clear();
}

void Buffer::append(std::span<const char> bytes) {
  if (bytes.empty()) return;
  std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
  end_ += static_cast<std::uint32_t>(bytes.size());
}

void Buffer::consume(std::size_t size_bytes) {
  AZULB_ASSERT(size_bytes <= size());
  begin_ += static_cast<std::uint32_t>(size_bytes);
  if (empty()) clear();
}

void Buffer::release() {
  pool().release(storage_, capacity_);
  storage_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

namespace {

// Stands before what is given out, which keeps malloc's alignment.
struct alignas(std::max_align_t) PooledHead {
  std::size_t block_bytes;
};

PooledHead* head_of(void* memory) {
  return static_cast<PooledHead*>(memory) - 1;
}

}  // namespace

void* pooled_allocate(std::size_t size_bytes) {
  std::size_t block_bytes = sizeof(PooledHead) + size_bytes;
  char* block = pool().acquire(block_bytes);
  if (block == nullptr) return nullptr;
  return new (block) PooledHead{block_bytes} + 1;
}

void* pooled_reallocate(void* memory, std::size_t size_bytes) {
  if (memory == nullptr) return pooled_allocate(size_bytes);
  const std::size_t room = head_of(memory)->block_bytes - sizeof(PooledHead);
  if (size_bytes <= room) return memory;
  void* larger = pooled_allocate(size_bytes);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, memory, room);
  pooled_free(memory);
  return larger;
}

void pooled_free(void* memory) {
  if (memory == nullptr) return;
  PooledHead* head = head_of(memory);
  pool().release(reinterpret_cast<char*>(head), head->block_bytes);
}

std::uint64_t buffered_bytes() {
  const std::lock_guard lock(registry().mutex);
  std::int64_t total = 0;
  for (const BlockPool* each : registry().pools)
    total += each->outstanding_bytes();
  return total < 0 ? 0 : static_cast<std::uint64_t>(total);
}

}  // namespace azulb::base
