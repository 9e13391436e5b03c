#include "azulb/net/connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/net/splice.hpp"
#include "azulb/net/system_call.hpp"

namespace azulb::net {
namespace {

// What is read at a time behind bytes that wait unconsumed (an incomplete head, pipelined requests).
constexpr std::size_t read_behind_bytes = 16 * 1024;

}  // namespace

Connection::~Connection() {
  close_descriptor();
}

void Connection::adopt(int descriptor) {
  AZULB_ASSERT(descriptor_ < 0 && descriptor >= 0);
  descriptor_ = descriptor;
  readable_ = true;
  loop_.watch_delay().start(write_timer_);
  loop_.defer(*this);
}

void Connection::adopt(int descriptor, std::unique_ptr<tls::Session> session, TimerList& handshake_timeout) {
  adopt(descriptor);
  session_ = std::move(session);
  session_->attach(descriptor);
  shaking_hands_ = true;
  if (ensure_watched()) handshake_timeout.start(write_timer_);
}

bool Connection::ensure_watched() {
  if (watched_) return true;
  write_timer_.stop();
  watched_ = loop_.watch(descriptor_, *this);
  if (!watched_) {
    failure_ = errno;
    readable_ = false;
    paused_ = false;
    loop_.defer(*this);
  }
  return watched_;
}

int Connection::connect(const base::SocketAddress& address, std::unique_ptr<tls::Session> session,
                        std::span<const char> ahead) {
  AZULB_ASSERT(descriptor_ < 0 && (ahead.empty() || session != nullptr));
  const int descriptor = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno;
  if (!address.is_unix()) {
    const int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  descriptor_ = descriptor;
  if (::connect(descriptor, address.get(), address.length()) != 0 && errno != EINPROGRESS) {
    const int system_error = errno;
    close_descriptor();
    return system_error;
  }
  connecting_ = true;
  if (session != nullptr) {
    session_ = std::move(session);
    session_->attach(descriptor);
    shaking_hands_ = true;
    output_.append(ahead);
  }
  watched_ = loop_.watch(descriptor_, *this);
  if (watched_) return 0;
  const int system_error = errno;
  close_descriptor();
  return system_error;
}

void Connection::on_events(std::uint32_t events) {
  if (!open()) return;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_closed_ = true;
  if (connecting_) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    finish_connecting();
    if (!open()) return;
  }
  if (shaking_hands_) {
    shake_hands();
    if (!open() || shaking_hands_) return;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if (session_ != nullptr) readable_ = true;  // it may have had to write first (a key update)
  // A hang-up after our own end is only the peer's: what it sent before can still be read.
  const bool broken = (events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && !end_wanted_);
  if (paused_ && fail_while_paused_ && broken) {
    fail(ECONNRESET);
    return;
  }
  if ((events & EPOLLOUT) != 0) {
    if (!output_.empty()) {
      flush_output();
    } else if (end_blocked_) {
      shut_down_writing();
    }
    if (open() && splice_in_ != nullptr) splice_in_->on_sink_ready();
  }
  if (open() && readable_) read_and_deliver();
}

void Connection::finish_connecting() {
  int system_error = 0;
  socklen_t length = sizeof system_error;
  getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &system_error, &length);
  connecting_ = false;
  if (system_error != 0) {
    fail(system_error);
    return;
  }
  if (shaking_hands_) return send_ahead();
  if (end_wanted_ && output_.empty()) shut_down_writing();
  handler_->on_connected();
}

void Connection::on_deferred() {
  if (!open() || connecting_) return;
  if (shaking_hands_) {
    if (failure_ != 0) return fail(failure_);  // it could not be watched
    shake_hands();
    if (!open() || shaking_hands_) return;
  }
  read_and_deliver();
}

void Connection::read_and_deliver() {
  if (paused_) return;
  if (splice_out_ != nullptr) return splice_out_->on_source_ready();
  if (offer_again_) deliver_unconsumed();
  if (open() && !paused_ && readable_) receive();
  if (!open() || paused_) return;
  if (failure_ != 0 && !readable_ && !offer_again_) {
    fail(failure_);
  } else if (failure_ == 0 && ended_ && !end_told_) {
    end_told_ = true;
    handler_->on_end();
  } else if (readable_ || offer_again_) {
    loop_.defer(*this);  // one read a turn: a fast peer does not starve the others
  }
}

void Connection::deliver_unconsumed() {
  offer_again_ = false;
  if (input_.empty()) return;
  delivering_ = true;
  const std::size_t consumed = handler_->on_bytes(input_.bytes());
  loop_.gather().settle();  // what was gathered may point into the bytes about to be dropped
  delivering_ = false;
  if (open()) {
    input_.consume(consumed);
  } else {
    input_.clear();
  }
}

void Connection::receive() {
  const bool append = !input_.empty();
  std::span<char> room = append ? input_.prepare(read_behind_bytes) : loop_.read_buffer();
  room = room.first(
      std::min<std::size_t>(room.size(), std::exchange(read_limit_bytes_, Loop::read_buffer_bytes)));
  const ssize_t count = read_some(room);
  if (count <= 0) {
    readable_ = false;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      ensure_watched();
      return;
    }
    // The kernel reports an error once; a writer that met it first leaves only an end to the reader.
    if (count < 0) failure_ = errno;
    if (count == 0) ended_ = true;
    return;
  }
  const auto received = static_cast<std::size_t>(count);
  received_bytes_ += received;
  if (append) {
    input_.commit(received);
    deliver_unconsumed();
    if (open() && input_expected_) ensure_watched();
    return;
  }
  const std::span<const char> bytes = room.first(received);
  const std::size_t consumed = handler_->on_bytes(bytes);
  if (!open()) return;
  AZULB_ASSERT(consumed <= received);
  input_.append(bytes.subspan(consumed));
  if (input_expected_) ensure_watched();
}

void Connection::resume_reading() {
  paused_ = false;
  input_expected_ = true;
  end_expected_ = false;
  if (!open()) return;
  if (!input_.empty()) offer_again_ = true;
  if (!watched_ && !connecting_ && !readable_) ensure_watched();
  if (offer_again_ || readable_ || failure_ != 0 || (ended_ && !end_told_)) loop_.defer(*this);
}

void Connection::expect_end() {
  const bool quiet = !readable_ && input_.empty() && failure_ == 0 && !ended_;
  if (!open() || watched_ || connecting_ || !quiet) return resume_reading();
  paused_ = false;
  input_expected_ = true;
  end_expected_ = true;
  loop_.watch_delay().start(write_timer_);
}

void Connection::transmit(std::span<iovec> parts, std::size_t size_bytes) {
  if (!open()) return;
  std::size_t sent = 0;
  if (output_.empty() && !connecting_ && !shaking_hands_) {
    const ssize_t count = write_some(parts);
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      write_failed(errno);
      return;
    }
    if (count > 0) sent = static_cast<std::size_t>(count);
    sent_bytes_ += sent;
  }
  if (sent < size_bytes) {
    queue(parts, sent);
  } else if (end_wanted_) {
    shut_down_writing();
  }
}

void Connection::queue(std::span<iovec> parts, std::size_t skip_bytes) {
  for (const iovec& part : parts) {
    const std::size_t skipped = std::min(skip_bytes, part.iov_len);
    skip_bytes -= skipped;
    output_.append(std::span(static_cast<const char*>(part.iov_base), part.iov_len).subspan(skipped));
  }
  if (output_.size() > queue_low_bytes) above_low_ = true;
  if (!ensure_watched()) return;
  if (write_timeout_ != nullptr && !write_timer_.running()) write_timeout_->start(write_timer_);
}

void Connection::flush_output() {
  const std::size_t before = output_.size();
  while (!output_.empty()) {
    const ssize_t count = write_some(output_.bytes());
    if (count < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      write_failed(errno);
      return;
    }
    output_.consume(static_cast<std::size_t>(count));
    sent_bytes_ += static_cast<std::uint64_t>(count);
  }
  if (output_.size() == before) return;
  if (output_.empty()) {
    write_timer_.stop();
    if (end_wanted_) shut_down_writing();
  } else if (write_timeout_ != nullptr) {
    write_timeout_->start(write_timer_);
  }
  if (output_.empty() || (above_low_ && output_.size() <= queue_low_bytes)) {
    above_low_ = false;
    handler_->on_drained();
  }
}

void Connection::write_failed(int system_error) {
  // Reading goes on: the peer may have answered before it stopped listening. What is left unread ends in this
  // error.
  output_.clear();
  write_timer_.stop();
  if (failure_ == 0) failure_ = system_error;
  readable_ = true;
  peer_closed_ = true;
  if (paused_ && fail_while_paused_) paused_ = false;
  loop_.defer(*this);
}

void Connection::fail(int system_error) {
  failure_ = 0;
  readable_ = false;
  end_told_ = true;
  handler_->on_failure(system_error);
}

void Connection::on_timeout() {
  if (watched_) {
    fail(ETIMEDOUT);
  } else if (end_expected_) {
    end_expected_ = false;
    readable_ = true;
    read_and_deliver();
    if (open() && !ended_ && failure_ == 0) ensure_watched();
  } else {
    ensure_watched();
  }
}

void Connection::end_writing() {
  if (!open() || end_wanted_) return;
  flush();
  if (!open()) return;
  end_wanted_ = true;
  if (output_.empty() && !connecting_ && !shaking_hands_) shut_down_writing();
}

void Connection::close() {
  if (!open()) return;
  flush();
  if (session_ != nullptr) session_->end_writing();
  close_descriptor();
}

void Connection::abort() {
  if (!open()) return;
  loop_.gather().drop_gathered(*this);
  flush();  // what earlier callbacks wrote was on its way
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close_descriptor();
}

void Connection::close_descriptor() {
  if (descriptor_ < 0) return;
  loop_.gather().discard(*this);
  close_socket(descriptor_);  // which also takes it out of the epoll set
  descriptor_ = -1;
  connecting_ = false;
  shaking_hands_ = false;
  watched_ = false;
  session_.reset();
  cancel();
  write_timer_.stop();
  if (!delivering_) input_.clear();
  output_.clear();
}

}  // namespace azulb::net
