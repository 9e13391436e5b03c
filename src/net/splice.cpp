#include "azulb/net/splice.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::net {
namespace {

// Moved in one turn of the loop before others have theirs.
constexpr std::uint64_t bytes_per_turn = 4 * PipePool::capacity_bytes;

}  // namespace

void Splice::cancel() {
  if (!running()) return;
  sink_.write_timer_.stop();
  source_.splice_out_ = nullptr;
  sink_.splice_in_ = nullptr;
  source_.loop_.pipes().release(std::move(pipe_));
}

bool Splice::start(std::uint64_t limit_bytes, bool until_quiet) {
  AZULB_ASSERT(!running() && source_.input_.size() == 0 && sink_.queued_bytes() == 0);
  if (!source_.open() || !sink_.open() || source_.splice_out_ != nullptr || sink_.splice_in_ != nullptr)
    return false;
  if (!source_.ensure_watched() || !sink_.ensure_watched()) return false;
  pipe_ = source_.loop_.pipes().acquire();
  if (pipe_ == nullptr) return false;
  remaining_ = limit_bytes;
  until_quiet_ = until_quiet;
  source_done_ = sink_failed_ = false;
  source_.splice_out_ = this;
  sink_.splice_in_ = this;
  source_.readable_ = true;
  source_.loop_.defer(source_);
  return true;
}

void Splice::move() {
  std::uint64_t moved = 0;
  while (moved < bytes_per_turn) {
    const bool filled = fill();
    const std::size_t held = pipe_->held_bytes;
    const bool emptied = held > 0 && empty();
    moved += held - pipe_->held_bytes;
    if (!filled && !emptied) break;
  }
  sink_.sent_bytes_ += moved;
  if (moved > 0 || pipe_->held_bytes > 0) {
    handler_.on_spliced(moved, pipe_->held_bytes > 0);
    if (!running()) return;  // the handler has broken off the exchange
  }
  const bool nothing_to_come = source_done_ || remaining_ == 0;
  if (sink_failed_ || (nothing_to_come && pipe_->held_bytes == 0)) return end();
  if (pipe_->held_bytes > 0) {
    // The sink is behind: until it has taken what the pipe holds, its write timeout runs.
    if (sink_.write_timeout_ != nullptr && (moved > 0 || !sink_.write_timer_.running())) {
      sink_.write_timeout_->start(sink_.write_timer_);
    }
    return;
  }
  sink_.write_timer_.stop();
  if (source_.readable_) source_.loop_.defer(source_);
}

bool Splice::fill() {
  if (source_done_ || remaining_ == 0 || !source_.readable_ ||
      pipe_->held_bytes >= PipePool::capacity_bytes) {
    return false;
  }
  const std::size_t wanted = static_cast<std::size_t>(
      std::min<std::uint64_t>(remaining_, PipePool::capacity_bytes - pipe_->held_bytes));
  const ssize_t count = splice(source_.descriptor_, nullptr, pipe_->write_end, nullptr, wanted,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (count > 0) {
    pipe_->held_bytes += static_cast<std::size_t>(count);
    remaining_ -= static_cast<std::uint64_t>(count);
    source_.received_bytes_ += static_cast<std::uint64_t>(count);
    return true;
  }
  if (count < 0 && errno == EINTR) return true;
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    // The socket is empty, or the pipe is full: only with an empty pipe is it certain which.
    if (pipe_->held_bytes == 0) {
      source_.readable_ = false;
      source_done_ = until_quiet_;
    }
    return false;
  }
  if (count < 0) source_.failure_ = errno;
  if (count == 0) source_.ended_ = true;
  source_.readable_ = false;
  source_done_ = true;
  return false;
}

bool Splice::empty() {
  const ssize_t count = splice(pipe_->read_end, nullptr, sink_.descriptor_, nullptr, pipe_->held_bytes,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (count > 0) {
    pipe_->held_bytes -= static_cast<std::size_t>(count);
    return true;
  }
  if (count < 0 && errno == EINTR) return true;
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  sink_failed_ = true;
  sink_.write_failed(count < 0 ? errno : EPIPE);
  return false;
}

void Splice::end() {
  source_.splice_out_ = nullptr;
  sink_.splice_in_ = nullptr;
  sink_.write_timer_.stop();
  source_.loop_.pipes().release(std::move(pipe_));
  // Ends, failures and whatever comes next are read the usual way.
  if (source_.open()) source_.loop_.defer(source_);
  handler_.on_splice_end();
}

}  // namespace azulb::net
