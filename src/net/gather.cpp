#include "azulb/net/gather.hpp"

#include <cstring>
#include <span>

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

void Gather::switch_to(Connection& connection) {
  settle();
  if (connection.held_) send_held();  // what follows must not overtake it
  connection_ = &connection;
}

void Gather::settle() {
  if (connection_ == nullptr) return;
  if (hold()) {
    forget_gathered();
  } else {
    send_gathered();
  }
}

bool Gather::hold() {
  if (parts_count_ != 1 || held_count_ == held_limit) return false;
  const iovec& part = parts_[0];
  const char* const begin = static_cast<const char*>(part.iov_base);
  const bool copied = begin >= scratch_.get() && begin < scratch_.get() + scratch_bytes;
  if (!copied || part.iov_len > held_message_bytes) return false;
  held_[held_count_++] = {connection_, part};
  connection_->held_ = true;
  return true;
}

void Gather::flush() {
  send_held();
  send_gathered();
}

void Gather::send_gathered() {
  if (parts_count_ > 0) connection_->transmit(std::span(parts_.data(), parts_count_), pending_bytes_);
  forget_gathered();
}

void Gather::forget_gathered() {
  connection_ = nullptr;
  parts_count_ = 0;
  pending_bytes_ = 0;
  if (held_count_ == 0) scratch_used_ = 0;
}

void Gather::send_held() {
  for (Held& held : std::span(held_.data(), held_count_)) {
    if (held.connection == nullptr) continue;
    held.connection->held_ = false;
    held.connection->transmit(std::span(&held.message, 1), held.message.iov_len);
  }
  held_count_ = 0;
  if (connection_ == nullptr) scratch_used_ = 0;
}

std::size_t Gather::held_bytes(const Connection& connection) const {
  if (!connection.held_) return 0;
  for (const Held& held : std::span(held_.data(), held_count_)) {
    if (held.connection == &connection) return held.message.iov_len;
  }
  return 0;
}

void Gather::discard(const Connection& connection) {
  if (connection.held_) {
    for (Held& held : std::span(held_.data(), held_count_)) {
      if (held.connection != &connection) continue;
      held.connection->held_ = false;
      held.connection = nullptr;
    }
  }
  drop_gathered(connection);
}

}  // namespace azulb::net
