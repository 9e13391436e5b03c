#include <unistd.h>

#include <bit>

#include "azulb/base/assert.hpp"
#include "azulb/base/line_sink.hpp"

namespace azulb::base {

LineProducer::LineProducer(std::size_t capacity_bytes, int wake_descriptor)
    : capacity_(std::bit_ceil(capacity_bytes)),
      wake_descriptor_(wake_descriptor),
      ring_(std::make_unique_for_overwrite<char[]>(capacity_)) {}  // pages never written cost no memory

char* LineProducer::reserve(std::size_t size_bytes) {
  AZULB_ASSERT(size_bytes <= capacity_ / 2);  // a larger one might not fit into an empty ring
  const std::uint64_t position = write_position_.load(std::memory_order_relaxed);
  const std::uint64_t offset = position & (capacity_ - 1);
  const std::uint64_t start = offset + size_bytes > capacity_ ? position + (capacity_ - offset) : position;
  if (start + size_bytes - read_seen_ > capacity_) {
    read_seen_ = read_position_.load(std::memory_order_acquire);
    if (start + size_bytes - read_seen_ > capacity_) {
      dropped_.add();
      reserved_size_ = 0;
      return nullptr;
    }
  }
  reserved_at_ = start;
  reserved_size_ = size_bytes;
  return ring_.get() + (start & (capacity_ - 1));
}

void LineProducer::commit(std::size_t used_bytes) {
  if (used_bytes == 0) return;
  AZULB_ASSERT(used_bytes <= reserved_size_);
  reserved_size_ = 0;
  const std::uint64_t position = write_position_.load(std::memory_order_relaxed);
  if (reserved_at_ != position) pad_position_.store(position, std::memory_order_relaxed);
  const std::uint64_t end = reserved_at_ + used_bytes;
  write_position_.store(end, std::memory_order_release);
  if (end - read_seen_ > capacity_ / 2) {
    read_seen_ = read_position_.load(std::memory_order_acquire);
    if (end - read_seen_ > capacity_ / 2) request_wake();
  }
}

void LineProducer::request_wake() {
  if (wake_requested_.load(std::memory_order_relaxed)) return;
  wake_requested_.store(true, std::memory_order_relaxed);
  const std::uint64_t one = 1;
  // It fails only when the eventfd's count is at its end, and then the sink is awake already.
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

std::string_view LineProducer::peek() {
  std::uint64_t begin = read_position_.load(std::memory_order_relaxed);
  const std::uint64_t end = write_position_.load(std::memory_order_acquire);
  if (begin == end) return {};
  // May already be a later gap than the one before `end`: then it lies at or behind `end` and does not matter
  // here.
  const std::uint64_t pad = pad_position_.load(std::memory_order_relaxed);
  if (pad == begin) {
    begin = (begin | (capacity_ - 1)) + 1;
    read_position_.store(begin, std::memory_order_release);
  }
  const std::uint64_t chunk_end = pad > begin && pad < end ? pad : end;
  return {ring_.get() + (begin & (capacity_ - 1)), static_cast<std::size_t>(chunk_end - begin)};
}

void LineProducer::release(std::size_t size_bytes) {
  const std::uint64_t begin = read_position_.load(std::memory_order_relaxed);
  read_position_.store(begin + size_bytes, std::memory_order_release);
}

}  // namespace azulb::base
