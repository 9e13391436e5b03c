// Bytes with one peer: a non-blocking stream socket (TCP or unix) with bounded reading, gathered writing and
// back-pressure. Knows nothing of what the bytes mean.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

#include "azulb/base/address.hpp"
#include "azulb/base/buffer.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/tls/session.hpp"

namespace azulb::net {

class Splice;

/// What a connection tells its owner. None of these is called from within a call to the connection, and none
/// after `close` or `abort`; each may close the connection (the object itself lives until the end of the
/// loop's turn).
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;

  /// A connection begun by `connect`, or adopted with a TLS session, stands: the handshake is done.
  virtual void on_connected() {}
  /// Everything received and not consumed so far. Returns how many bytes, from the front, were consumed; the
  /// rest comes again, together with what follows, when more arrives or reading is resumed. Valid until the
  /// return.
  virtual std::size_t on_bytes(std::span<const char> bytes) = 0;
  /// The peer will send nothing more; all it sent has been delivered (though perhaps not consumed).
  virtual void on_end() = 0;
  /// The connection is broken (an errno value); nothing can be sent or received. The handler closes it.
  virtual void on_failure(int system_error) = 0;
  /// The kernel has taken what was queued, wholly or down to the low mark.
  virtual void on_drained() {}
};

/// High and low mark of what may be queued for a peer before its source is paused (DESIGN.md, flow control).
constexpr std::size_t queue_high_bytes = 64 * 1024;
constexpr std::size_t queue_low_bytes = 16 * 1024;

/// Single-threaded: belongs to its loop's thread.
class Connection final : private Watcher, private Deferred {
 public:
  Connection(Loop& loop, ConnectionHandler& handler) : loop_(loop), handler_(&handler) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  /// Takes over a connected, non-blocking socket, and reads at the loop's next turn. It enters the epoll set
  /// only when there is something to wait for, or after a moment: a connection that brings its request along,
  /// gets its answer and is closed never does. Failure to watch it reaches the handler.
  void adopt(int descriptor);
  /// As above, for bytes that TLS carries: shakes hands first, for at most `handshake_timeout`;
  /// `on_connected` or `on_failure` follows. The failure is EPROTO where TLS failed (`tls`), and
  /// EPROTONOSUPPORT where the client's first byte was none of TLS: `continue_plain` may follow that.
  void adopt(int descriptor, std::unique_ptr<tls::Session> session, TimerList& handshake_timeout);
  /// Begins to connect, and to shake hands if there is a session; `on_connected` or `on_failure` follows, the
  /// latter with EPROTO where TLS failed. A failure known at once is returned as errno. `ahead` (with a
  /// session only; it is copied) leaves as it is before the handshake, and counts as nothing sent.
  int connect(const base::SocketAddress& address, std::unique_ptr<tls::Session> session = nullptr,
              std::span<const char> ahead = {});
  /// Reads from the beginning what the client sent instead of TLS. Called by the handler, from `on_failure`.
  void continue_plain();

  /// From the next callback on `handler` is told, instead of the one before. Also from within a callback.
  void set_handler(ConnectionHandler& handler) { handler_ = &handler; }

  bool open() const { return descriptor_ >= 0; }
  /// TLS carries the bytes: null if not.
  const tls::Session* tls() const { return session_.get(); }
  int descriptor() const { return descriptor_; }
  Loop& loop() const { return loop_; }

  /// Writes `bytes` after what was written before; they must stay until this callback ends. Few are copied
  /// and leave with other small messages a moment later; more are not, as far as the kernel takes them at the
  /// end of this callback. Never calls back.
  void write(std::span<const char> bytes) {
    if (open()) loop_.gather().add(*this, bytes);
  }
  /// Room to write in place; `committed` bytes of it are then sent. Empty only if `size_bytes` is absurd.
  std::span<char> write_scratch(std::size_t size_bytes) { return loop_.gather().scratch(*this, size_bytes); }
  void commit_scratch(std::size_t size_bytes) { loop_.gather().commit_scratch(size_bytes); }
  /// Bytes written that the kernel has not taken.
  std::size_t queued_bytes() const { return output_.size() + loop_.gather().pending_bytes(*this); }

  /// No `on_bytes` until resumed. Bytes already received wait in the kernel or, for the part that was read,
  /// here.
  void pause_reading() { paused_ = true; }
  /// Also offers again, later in this turn, what an earlier `on_bytes` left unconsumed.
  void resume_reading();
  bool reading_paused() const { return paused_; }
  /// As resume_reading, when of the peer probably nothing but its end will come, and soon: an adopted
  /// connection that is not watched yet is then looked at once, 2 to 5 ms later, and need never be watched.
  /// What comes instead is read that much later.
  void expect_end();
  /// For now nothing is expected of the peer but its leaving: an adopted connection need not be watched at
  /// once. Until reading is resumed.
  void expect_no_input() { input_expected_ = false; }
  /// Received and not consumed.
  std::size_t unconsumed_bytes() const { return input_.size(); }
  /// The peer's end has been seen.
  bool ended() const { return ended_; }

  /// Sends off what has been written to this connection, now (and to others, as far as it is held).
  void flush() {
    if (loop_.gather().pending_bytes(*this) > 0) loop_.gather().flush();
  }
  /// Sends FIN once everything written has left; reading goes on.
  void end_writing();
  /// Closes now, after one try to send what has been written; what the kernel does not take is lost.
  void close();
  /// Closes with a reset, so that the peer sees no clean end; what is queued is lost.
  void abort();

  /// The next read takes no more than this (at most Loop::read_buffer_bytes): where a splice is likely to
  /// follow, what is read before it begins is better small.
  void limit_next_read(std::size_t size_bytes) { read_limit_bytes_ = static_cast<std::uint32_t>(size_bytes); }

  /// False if all that the peer has sent is known to have been read.
  bool may_have_input() const { return readable_ || !input_.empty(); }
  /// True if the kernel holds bytes or an end that the peer has sent (one system call).
  bool has_pending_input();

  /// Bytes read and written since the connection began.
  std::uint64_t received_bytes() const { return received_bytes_; }
  std::uint64_t sent_bytes() const { return sent_bytes_; }

  /// If set, writing must progress at least this often, else `on_failure(ETIMEDOUT)`.
  void set_write_timeout(TimerList* timeout) { write_timeout_ = timeout; }
  /// A broken connection is told at once even while reading is paused. (Otherwise what the kernel still holds
  /// can be read first: an answer that was followed by a reset.)
  void set_fail_while_paused(bool wanted) { fail_while_paused_ = wanted; }

 private:
  friend class Gather;
  friend class Splice;
  void on_events(std::uint32_t events) override;
  void on_deferred() override;
  void finish_connecting();
  void send_ahead();
  void shake_hands();
  void read_and_deliver();
  void deliver_unconsumed();
  void receive();
  /// What the socket, or the session over it, has: the bytes, 0 at the end, -1 with errno set. Remembers
  /// whether there may be more.
  ssize_t read_some(std::span<char> room);
  /// As far as the socket takes them: the bytes, or -1 with errno set.
  ssize_t write_some(std::span<iovec> parts);
  ssize_t write_some(std::span<const char> bytes);
  ssize_t write_records(std::span<const iovec> parts);
  void shut_down_writing();
  /// The one place that writes to the socket for Gather: what the kernel does not take is queued.
  void transmit(std::span<iovec> parts, std::size_t size_bytes);
  void queue(std::span<iovec> parts, std::size_t skip_bytes);
  void flush_output();
  void write_failed(int system_error);
  void fail(int system_error);
  void close_descriptor();
  bool ensure_watched();
  void on_timeout();

  Loop& loop_;
  ConnectionHandler* handler_;
  std::unique_ptr<tls::Session> session_;
  base::Buffer input_;
  base::Buffer output_;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
  TimerList* write_timeout_ = nullptr;
  Splice* splice_out_ = nullptr;  // takes what is read, instead of the handler
  Splice* splice_in_ = nullptr;   // writes when the socket is writable
  /// Until the connection is watched: when to begin with it. Then: the handshake's timeout, the write
  /// timeout.
  MemberTimer<Connection, &Connection::on_timeout> write_timer_{*this};
  std::uint32_t read_limit_bytes_ = Loop::read_buffer_bytes;  // of the next read

  int descriptor_ = -1;
  int failure_ = 0;  // errno that is to be told to the handler once what was received has been delivered
  bool connecting_ : 1 = false;
  bool shaking_hands_ : 1 = false;
  bool watched_ : 1 = false;
  bool input_expected_ : 1 = true;
  bool end_expected_ : 1 = false;  // not watched: looked at when write_timer_ runs out
  bool paused_ : 1 = false;
  bool readable_ : 1 = false;     // the kernel may have more to read (edge-triggered: remembered here)
  bool peer_closed_ : 1 = false;  // EPOLLRDHUP or EPOLLHUP seen: a short read is not the last one
  bool ended_ : 1 = false;        // read returned 0
  bool end_told_ : 1 = false;
  bool offer_again_ : 1 = false;  // input_ is to be offered to the handler though nothing new has arrived
  bool above_low_ : 1 = false;    // output_ was above the low mark: on_drained is due when it is not
  bool end_wanted_ : 1 = false;   // shut down writing when output_ is empty
  bool end_blocked_ : 1 = false;  // and when there is room for TLS to say so
  bool fail_while_paused_ : 1 = false;
  bool held_ : 1 = false;        // Gather holds a message for it
  bool delivering_ : 1 = false;  // on_bytes has been given input_: it stays until what refers to it has left
};

}  // namespace azulb::net
