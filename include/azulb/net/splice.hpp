// Moves bytes from one plain socket to another inside the kernel (splice(2)), through a pipe of the loop's.
// For large bodies and busy tunnels: the bytes are never copied to user space.
#pragma once

#include <cstdint>
#include <memory>

#include "azulb/net/connection.hpp"
#include "azulb/net/pipe_pool.hpp"

namespace azulb::net {

/// What a splice tells its user. Called from the loop only.
class SpliceHandler {
 public:
  virtual ~SpliceHandler() = default;
  /// `size_bytes` (perhaps none) have reached the sink's socket. `sink_behind`: more waits for it to be
  /// writable.
  virtual void on_spliced(std::uint64_t size_bytes, bool sink_behind) = 0;
  /// It is over: everything asked for has been moved, or the source has nothing more for now, has ended or
  /// failed, or the sink has failed. Both connections work as before; ends and failures reach their handlers
  /// the usual way.
  virtual void on_splice_end() = 0;
};

/// One direction. Belongs to its connections' loop.
class Splice {
 public:
  Splice(Connection& source, Connection& sink, SpliceHandler& handler)
      : source_(source), sink_(sink), handler_(handler) {}
  Splice(const Splice&) = delete;
  Splice& operator=(const Splice&) = delete;
  ~Splice() { cancel(); }

  /// Moves up to `limit_bytes`. Neither connection may hold unread or unsent bytes. `until_quiet`: ends as
  /// soon as the source has nothing to read, instead of waiting for more. False: there is no pipe to be had,
  /// nothing has begun.
  bool start(std::uint64_t limit_bytes, bool until_quiet);
  bool running() const { return pipe_ != nullptr; }
  /// Ends it without a call. What is in the pipe is lost: for a broken exchange.
  void cancel();

 private:
  friend class Connection;
  void on_source_ready() { move(); }
  void on_sink_ready() { move(); }
  void move();
  /// One step each; false when it must wait or end.
  bool fill();
  bool empty();
  void end();

  Connection& source_;
  Connection& sink_;
  SpliceHandler& handler_;
  std::unique_ptr<Pipe> pipe_;
  std::uint64_t remaining_ = 0;  // not yet taken from the source
  bool until_quiet_ = false;
  bool source_done_ = false;  // ended or failed, or quiet with `until_quiet_`
  bool sink_failed_ = false;
};

}  // namespace azulb::net
