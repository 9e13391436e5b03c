// The one buffer type: a queue of bytes in one contiguous block. Storage comes from a pool of the calling
// thread and goes back as soon as the buffer is empty, so that what is idle owns no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace azulb::base {

/// Not thread-safe; a buffer is filled, read and destroyed on one thread. Bounds are its user's: it grows as
/// asked, up to 1 GiB.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      clear();
      swap(other);
    }
    return *this;
  }
  ~Buffer() { clear(); }

  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  std::size_t capacity() const { return capacity_; }
  const char* data() const { return storage_ + begin_; }
  char* data() { return storage_ + begin_; }
  std::span<const char> bytes() const { return {data(), size()}; }
  std::string_view text() const { return {data(), size()}; }

  /// At least `size_bytes` of room behind the last byte; valid until the next call. Moves what the buffer
  /// holds.
  std::span<char> prepare(std::size_t size_bytes);
  /// The first `size_bytes` of the prepared room now belong to the buffer.
  void commit(std::size_t size_bytes);
  void append(std::span<const char> bytes);
  void append(std::string_view text) { append(std::span(text.data(), text.size())); }
  /// Drops bytes at the front; an empty buffer gives its storage back.
  void consume(std::size_t size_bytes);
  void clear() {
    if (storage_ != nullptr) release();
  }

  void swap(Buffer& other) noexcept {
    std::swap(storage_, other.storage_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void release();

  char* storage_ = nullptr;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t capacity_ = 0;
};

/// Bytes of storage held by the buffers of all threads together, and by pooled_memory.hpp's users (not what
/// the pools keep in reserve). Any thread.
std::uint64_t buffered_bytes();

}  // namespace azulb::base
