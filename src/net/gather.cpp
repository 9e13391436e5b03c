#include "azulb/net/gather.hpp"

#include <cstring>

#include "azulb/base/assert.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::net {
namespace {

// Copying this little behind a head costs less than a second part does in the kernel.
constexpr std::size_t copy_limit_bytes = 2048;

}  // namespace

Gather::Gather() : scratch_(new char[scratch_bytes]) {}

std::span<char> Gather::scratch(Connection& connection, std::size_t size_bytes) {
  select(connection);
  if (scratch_bytes - scratch_used_ < size_bytes || parts_count_ == parts_limit) {
    flush();
    connection_ = &connection;
  }
  if (scratch_bytes < size_bytes) return {};
  return {scratch_.get() + scratch_used_, scratch_bytes - scratch_used_};
}

void Gather::commit_scratch(std::size_t size_bytes) {
  AZULB_ASSERT(connection_ != nullptr && size_bytes <= scratch_bytes - scratch_used_);
  char* begin = scratch_.get() + scratch_used_;
  scratch_used_ += size_bytes;
  pending_bytes_ += size_bytes;
  // Bytes that follow what was written last extend its part.
  if (parts_count_ > 0) {
    iovec& last = parts_[parts_count_ - 1];
    if (static_cast<char*>(last.iov_base) + last.iov_len == begin) {
      last.iov_len += size_bytes;
      return;
    }
  }
  parts_[parts_count_++] = {begin, size_bytes};
}

void Gather::add(Connection& connection, std::span<const char> bytes) {
  select(connection);
  if (bytes.empty()) return;
  if (bytes.size() <= copy_limit_bytes && scratch_bytes - scratch_used_ >= bytes.size() &&
      parts_count_ < parts_limit) {
    std::memcpy(scratch_.get() + scratch_used_, bytes.data(), bytes.size());
    commit_scratch(bytes.size());
    return;
  }
  if (parts_count_ == parts_limit) {
    flush();
    connection_ = &connection;
  }
  parts_[parts_count_++] = {const_cast<char*>(bytes.data()), bytes.size()};
  pending_bytes_ += bytes.size();
}

void Gather::flush() {
  Connection* connection = connection_;
  if (connection == nullptr) return;
  if (parts_count_ > 0) connection->transmit(std::span(parts_.data(), parts_count_), pending_bytes_);
  connection_ = nullptr;
  parts_count_ = 0;
  pending_bytes_ = 0;
  scratch_used_ = 0;
}

void Gather::discard(const Connection& connection) {
  if (connection_ != &connection) return;
  connection_ = nullptr;
  parts_count_ = 0;
  pending_bytes_ = 0;
  scratch_used_ = 0;
}

}  // namespace azulb::net
