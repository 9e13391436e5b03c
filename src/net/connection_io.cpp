// A connection's bytes, where they meet the socket: as they are, or through the TLS session over it.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "azulb/net/connection.hpp"
#include "azulb/net/system_call.hpp"

namespace azulb::net {
namespace {

/// What recv and send would have said.
int error_of(const tls::Session& session, tls::IoStatus status) {
  if (status != tls::IoStatus::failed) return EAGAIN;
  return session.system_error() != 0 ? session.system_error() : EPROTO;
}

}  // namespace

void Connection::send_ahead() {
  // Until the handshake is done the queue holds nothing else, and a new socket has room for it.
  if (output_.empty()) return;
  const ssize_t count = send_bytes(descriptor_, output_.data(), output_.size());
  const bool whole = count == static_cast<ssize_t>(output_.size());
  output_.clear();
  if (!whole) fail(count < 0 ? errno : ENOBUFS);
}

void Connection::shake_hands() {
  if (session_->awaits_first_byte()) {
    const tls::Session::FirstByte first = session_->first_byte();
    if (first == tls::Session::FirstByte::missing) return;
    if (first == tls::Session::FirstByte::other) return fail(EPROTONOSUPPORT);
  }
  const tls::IoStatus status = session_->shake_hands();
  if (status == tls::IoStatus::want_read || status == tls::IoStatus::want_write) return;
  if (status == tls::IoStatus::failed) return fail(error_of(*session_, status));
  shaking_hands_ = false;
  write_timer_.stop();
  readable_ = true;
  handler_->on_connected();
  if (!open()) return;
  if (!output_.empty()) flush_output();
  if (open() && end_wanted_ && output_.empty()) shut_down_writing();
}

void Connection::continue_plain() {
  session_.reset();
  shaking_hands_ = false;
  write_timer_.stop();
  end_told_ = false;
  readable_ = true;
  loop_.defer(*this);
}

ssize_t Connection::read_some(std::span<char> room) {
  if (session_ != nullptr) {
    const tls::IoResult result = session_->read(room);
    if (result.status == tls::IoStatus::done) {
      if (session_->drained() && !peer_closed_) readable_ = false;
      return static_cast<ssize_t>(result.size_bytes);
    }
    if (result.status == tls::IoStatus::end) return 0;
    errno = error_of(*session_, result.status);
    return -1;
  }
  ssize_t count;
  do {
    count = receive_bytes(descriptor_, room.data(), room.size());
  } while (count < 0 && errno == EINTR);
  // A short read emptied the socket, unless the peer's end stands behind it.
  if (count >= 0 && static_cast<std::size_t>(count) < room.size() && !peer_closed_) readable_ = false;
  return count;
}

ssize_t Connection::write_some(std::span<const char> bytes) {
  ssize_t count;
  if (session_ != nullptr) {
    const tls::IoResult result = session_->write(bytes, loop_.now_ms());
    if (result.status == tls::IoStatus::done || result.size_bytes > 0)
      return static_cast<ssize_t>(result.size_bytes);
    errno = error_of(*session_, result.status);
    return -1;
  }
  do {
    count = send_bytes(descriptor_, bytes.data(), bytes.size());
  } while (count < 0 && errno == EINTR);
  return count;
}

ssize_t Connection::write_some(std::span<iovec> parts) {
  if (parts.size() == 1)
    return write_some(std::span(static_cast<const char*>(parts[0].iov_base), parts[0].iov_len));
  ssize_t count;
  if (session_ != nullptr) return write_records(parts);
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  do {
    count = send_message(descriptor_, message);
  } while (count < 0 && errno == EINTR);
  return count;
}

ssize_t Connection::write_records(std::span<const iovec> parts) {
  // A head and the beginning of its body share a record: that costs a copy, and spares a system call and the
  // record's own price. The rest of a large part goes from where it lies.
  std::size_t sent = 0;
  std::size_t gathered = 0;
  const std::span<char> room = loop_.record_buffer();
  const auto send_gathered = [&] {
    const ssize_t count = write_some(room.first(gathered));
    const bool whole = count == static_cast<ssize_t>(gathered);
    if (count > 0) sent += static_cast<std::size_t>(count);
    gathered = 0;
    return whole;
  };
  for (const iovec& part : parts) {
    std::span<const char> bytes(static_cast<const char*>(part.iov_base), part.iov_len);
    while (!bytes.empty()) {
      if (gathered == 0 && bytes.size() >= room.size()) {
        const std::span<const char> direct = bytes.first(bytes.size() - bytes.size() % room.size());
        const ssize_t count = write_some(direct);
        if (count > 0) sent += static_cast<std::size_t>(count);
        if (count != static_cast<ssize_t>(direct.size()))
          return sent > 0 ? static_cast<ssize_t>(sent) : count;
        bytes = bytes.subspan(direct.size());
        continue;
      }
      const std::size_t size = std::min(bytes.size(), room.size() - gathered);
      std::memcpy(room.data() + gathered, bytes.data(), size);
      gathered += size;
      bytes = bytes.subspan(size);
      if (gathered == room.size() && !send_gathered()) return sent > 0 ? static_cast<ssize_t>(sent) : -1;
    }
  }
  if (gathered > 0 && !send_gathered() && sent == 0) return -1;
  return static_cast<ssize_t>(sent);
}

void Connection::shut_down_writing() {
  // A FIN without close_notify before it would be taken for an end by a third party's hand.
  end_blocked_ = session_ != nullptr && session_->end_writing() == tls::IoStatus::want_write;
  if (!end_blocked_) shutdown(descriptor_, SHUT_WR);
}

bool Connection::has_pending_input() {
  if (session_ != nullptr) return shaking_hands_ || session_->has_input();
  char byte;
  const ssize_t count = recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

}  // namespace azulb::net
