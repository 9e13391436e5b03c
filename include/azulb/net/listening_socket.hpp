// A socket that accepts. Workers have sockets of their own on one address (SO_REUSEPORT), so that the kernel
// spreads connections; a unix socket is one for all, and one worker wakes for each connection.
#pragma once

#include <string>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::net {

/// The address that a socket is bound to or, accepted, was reached at; empty if the descriptor is no
/// socket's.
base::SocketAddress local_address(int descriptor);

/// A bound, non-blocking descriptor that listens. Owns it; a unix path is removed with it.
class BoundSocket {
 public:
  /// Who else holds a socket that another process has opened.
  enum class Holder {
    manager,      // the service manager, for ever: one socket for all workers
    predecessor,  // an azulb that may give it up; see `own`
  };

  /// Errors name the address and the remedy. A unix path that no process listens on any more is replaced.
  /// `shared`: more sockets of this process will be bound to the same address.
  static base::Result<BoundSocket> bind(const base::SocketAddress& address, int backlog, bool shared);

  /// One more on a TCP address that shared sockets listen on. It gets connections only once `set_backlog` has
  /// been called: then they would be lost with it.
  static base::Result<BoundSocket> join(const base::SocketAddress& address);

  /// Takes over a descriptor that listens already and that another process goes on holding: it is closed
  /// here, but neither shut down nor its unix path removed. The error says why it is none, and leaves it
  /// alone.
  static base::Result<BoundSocket> adopt(int descriptor, Holder holder);

  BoundSocket(BoundSocket&& other) noexcept;
  BoundSocket& operator=(BoundSocket&&) = delete;
  ~BoundSocket();

  /// The socket, and a unix socket's path, belong to this user from now on, who can then bind further sockets
  /// to the address: the kernel shares one among sockets of one user only.
  base::Result<void> give_to(uid_t user, gid_t group) const;

  /// The predecessor has given it up: a unix path is ours to remove. Nothing changes for a manager's.
  void own() { owned_ = owned_ || !managed_; }
  /// Another process has taken it over, path and all.
  void give_up() { owned_ = false; }
  /// The service manager holds it.
  bool is_managed() const { return managed_; }

  int descriptor() const { return descriptor_; }
  /// As the kernel has it: with the port it chose for port 0.
  const base::SocketAddress& address() const { return address_; }
  /// There is one of it for all workers, and one wakes for each connection: a unix socket, or one that can't
  /// be joined.
  bool is_shared() const { return alone_; }
  /// How many connections may wait to be accepted. One that has joined others listens from here on.
  void set_backlog(int backlog) const;

 private:
  BoundSocket(int descriptor, const base::SocketAddress& address)
      : descriptor_(descriptor), address_(address), alone_(address.is_unix()) {}
  int descriptor_ = -1;
  base::SocketAddress address_;
  bool alone_ = false;    // there are no others on the address
  bool owned_ = true;     // no other process goes on with it
  bool managed_ = false;  // the service manager's
};

/// How often the log says that accepting fails, which is tried again many times a second.
constexpr std::int64_t accept_failure_log_interval_ms = 10'000;

class AcceptHandler {
 public:
  virtual ~AcceptHandler() = default;
  /// Asked before each accept: false leaves the connection in the backlog. A handler that refuses pauses the
  /// socket.
  virtual bool may_accept() { return true; }
  /// A connected, non-blocking descriptor, which the handler now owns.
  /// `local`: where the socket listens.
  virtual void on_accepted(const base::SocketAddress& local, int descriptor,
                           const base::SocketAddress& peer) = 0;
  /// The process is out of descriptors or memory (errno); the connection waits in the backlog. A handler that
  /// does not pause the socket for a while is called again at once.
  virtual void on_accept_failure(int system_error) = 0;
};

/// Accepts on a socket for one loop. The loop's thread only.
class ListeningSocket final : private Watcher {
 public:
  /// Starts paused. `socket` outlives this, and its descriptor is used.
  ListeningSocket(Loop& loop, const BoundSocket& socket, AcceptHandler& handler)
      : loop_(loop),
        handler_(&handler),
        address_(socket.address()),
        descriptor_(socket.descriptor()),
        shared_(socket.is_shared()) {}
  /// Starts paused and without a handler. Takes over the descriptor. `shared`: BoundSocket::is_shared.
  ListeningSocket(Loop& loop, int descriptor, const base::SocketAddress& address, bool shared)
      : loop_(loop), address_(address), descriptor_(descriptor), shared_(shared), owns_descriptor_(true) {}
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  /// The socket lives on if others have it.
  ~ListeningSocket() override;
  void set_handler(AcceptHandler& handler) { handler_ = &handler; }

  /// While paused, new connections wait in the backlog.
  void pause();
  void resume();
  bool paused() const { return !watched_; }
  /// Accepts no more, and lets nobody connect to the socket any more, whoever has it (a unix socket is its
  /// owner's to close).
  void end();
  /// Accepts what is in the backlog now, unless paused.
  void accept_pending();

 private:
  void on_events(std::uint32_t) override { accept_some(); }
  /// Accepts a turn's share. False if the backlog was emptied, or nothing more may be accepted.
  bool accept_some();

  Loop& loop_;
  AcceptHandler* handler_ = nullptr;
  const base::SocketAddress address_;
  const int descriptor_;
  const bool shared_;
  const bool owns_descriptor_ = false;
  MemberTimer<ListeningSocket, &ListeningSocket::resume> resume_retry_{*this};
  bool watched_ = false;
  bool ended_ = false;
};

}  // namespace azulb::net
