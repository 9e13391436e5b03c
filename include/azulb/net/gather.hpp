// What callbacks have to say to connections, gathered so that each message leaves in one system call, and
// small messages to several connections one right after the other.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace azulb::net {

class Connection;

/// One per loop. At any moment it gathers for one connection; turning to another, or the end of the callback,
/// settles what the first has: bytes by reference are sent, as they live only until their callback returns;
/// a small message of copied bytes is held until the loop flushes it. Held messages wake a sleeping peer once
/// for all of them: on a machine where client, server and azulb share the cores, waking one costs as much as
/// a whole request.
class Gather {
 public:
  static constexpr std::size_t parts_limit = 32;
  static constexpr std::size_t scratch_bytes = 64 * 1024;
  /// Messages held at once, so that under load none waits long behind the others' requests.
  static constexpr std::size_t held_limit = 64;
  static constexpr std::size_t held_message_bytes = 8 * 1024;

  Gather();

  /// Room of at least `size_bytes` for bytes that are written in place (a head, a chunk size), or an empty
  /// span if `size_bytes` exceeds `scratch_bytes`; `commit_scratch` adds what was written.
  std::span<char> scratch(Connection& connection, std::size_t size_bytes);
  void commit_scratch(std::size_t size_bytes);

  /// Adds bytes that stay where they are until the current callback ends.
  void add(Connection& connection, std::span<const char> bytes);

  /// The callback has ended. Never calls back, as flush.
  void settle();
  /// Sends what is gathered and held. Never calls back: failures reach the connection's handler later.
  void flush();
  bool holding() const { return held_count_ > 0; }
  /// Forgets what the current callback has gathered for this connection.
  void drop_gathered(const Connection& connection) {
    if (connection_ == &connection) forget_gathered();
  }
  /// Forgets what is gathered or held for this connection, which is gone.
  void discard(const Connection& connection);

  /// Of this connection, gathered or held.
  std::size_t pending_bytes(const Connection& connection) const {
    return connection_ == &connection ? pending_bytes_ : held_bytes(connection);
  }

 private:
  struct Held {
    Connection* connection;  // null: discarded
    iovec message;           // in scratch_
  };

  void select(Connection& connection) {
    if (connection_ != &connection) switch_to(connection);
  }
  void switch_to(Connection& connection);
  bool hold();
  void send_gathered();
  void send_held();
  void forget_gathered();
  std::size_t held_bytes(const Connection& connection) const;

  Connection* connection_ = nullptr;
  std::array<iovec, parts_limit> parts_;
  std::size_t parts_count_ = 0;
  std::size_t pending_bytes_ = 0;
  std::array<Held, held_limit> held_;
  std::size_t held_count_ = 0;
  std::size_t scratch_used_ = 0;  // by what is gathered and held
  std::unique_ptr<char[]> scratch_;
};

}  // namespace azulb::net
