// What one callback has to say to one connection, gathered so that it leaves in one system call.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace azulb::net {

class Connection;

/// One per loop. At any moment it gathers for one connection; writing to another sends the first's bytes off.
/// The loop flushes it after every callback, so that bytes by reference need to live only until their
/// callback returns.
class Gather {
 public:
  static constexpr std::size_t parts_limit = 32;
  static constexpr std::size_t scratch_bytes = 64 * 1024;

  Gather();

  /// Room of at least `size_bytes` for bytes that are written in place (a head, a chunk size), or an empty
  /// span if `size_bytes` exceeds `scratch_bytes`; `commit_scratch` adds what was written.
  std::span<char> scratch(Connection& connection, std::size_t size_bytes);
  void commit_scratch(std::size_t size_bytes);

  /// Adds bytes that stay where they are until the current callback ends.
  void add(Connection& connection, std::span<const char> bytes);

  /// Sends what is gathered. Never calls back: failures reach the connection's handler later in the turn.
  void flush();
  /// Forgets what is gathered for this connection (it was closed or reset).
  void discard(const Connection& connection);

  std::size_t pending_bytes(const Connection& connection) const {
    return connection_ == &connection ? pending_bytes_ : 0;
  }

 private:
  void select(Connection& connection) {
    if (connection_ == &connection) return;
    flush();
    connection_ = &connection;
  }

  Connection* connection_ = nullptr;
  std::array<iovec, parts_limit> parts_;
  std::size_t parts_count_ = 0;
  std::size_t pending_bytes_ = 0;
  std::size_t scratch_used_ = 0;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace azulb::net
