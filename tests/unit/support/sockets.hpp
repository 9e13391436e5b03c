// Real sockets for tests of what stands on a loop: descriptors that close themselves, connected pairs, peers
// that are driven by hand, and running a loop until something has happened.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "azulb/base/address.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::test {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) { REQUIRE(value >= 0); }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      value_ = std::exchange(other.value_, -1);
    }
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }
  void close() {
    if (value_ >= 0) ::close(std::exchange(value_, -1));
  }

 private:
  int value_ = -1;
};

/// Turns of the loop until `done()`, for ten seconds at most.
template <typename Predicate>
bool run_until(net::Loop& loop, Predicate done) {
  const std::int64_t limit_ms = base::monotonic_ms() + 10'000;
  while (!done()) {
    if (base::monotonic_ms() > limit_ms) return false;
    loop.run_once(std::chrono::milliseconds(20));
  }
  return true;
}

/// Enough turns for everything that is ready now to have been handled.
inline void settle(net::Loop& loop) {
  for (int turn = 0; turn < 10; ++turn)
    loop.run_once(std::chrono::milliseconds(0));
}

/// The far end of a connection, driven by the test.
class Peer {
 public:
  explicit Peer(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

  int descriptor() const { return descriptor_.get(); }

  /// How much the kernel took.
  std::size_t send(std::string_view bytes) const {
    const ssize_t count = ::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  /// What one read gives; empty at the end, on an error (see `error`) and when there is nothing.
  std::string receive(std::size_t limit_bytes = 256 * 1024) {
    std::string bytes(limit_bytes, '\0');
    const ssize_t count = recv(descriptor_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    error_ = count < 0 ? errno : 0;
    ended_ = count == 0;
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    received_ += bytes;
    return bytes;
  }
  /// Reads all there is.
  void drain() {
    while (!receive().empty()) {
    }
  }
  /// Everything received so far.
  const std::string& received() const { return received_; }
  void forget() { received_.clear(); }
  bool ended() const { return ended_; }
  /// errno of the last read, 0 if it was none.
  int error() const { return error_; }
  void end_writing() const { shutdown(descriptor_.get(), SHUT_WR); }
  void close() { descriptor_.close(); }
  /// Closes with a reset.
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(descriptor_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

 private:
  Descriptor descriptor_;
  std::string received_;
  bool ended_ = false;
  int error_ = 0;
};

/// `near` is for the connection under test.
struct Pair {
  Descriptor near;
  Peer far;
};

inline Pair socket_pair(int type = SOCK_STREAM) {
  int both[2];
  REQUIRE(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both) == 0);
  return {Descriptor(both[0]), Peer(Descriptor(both[1]))};
}

/// A server's socket on a loopback port that the kernel chose.
class Server {
 public:
  /// Not `listening`: the port refuses connections and is taken by no one else.
  explicit Server(bool listening = true)
      : socket_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
    if (listening) listen();
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    REQUIRE(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&bound), &length) == 0);
    address_ = base::SocketAddress(reinterpret_cast<const sockaddr*>(&bound), length);
  }

  void listen() const { REQUIRE(::listen(socket_.get(), 64) == 0); }
  const base::SocketAddress& address() const { return address_; }
  int descriptor() const { return socket_.get(); }
  bool has_connection() const {
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    return poll(&waiting, 1, 0) == 1;
  }
  Peer accept() const {
    Descriptor accepted(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    // Or a second small message would wait until the first is acknowledged, 40 ms later, for no reason that
    // shows.
    const int on = 1;
    REQUIRE(setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    return Peer(std::move(accepted));
  }

 private:
  Descriptor socket_;
  base::SocketAddress address_;
};

/// Over TCP: resets and lingering are as on the network.
inline Pair tcp_pair() {
  const Server server;
  Descriptor near(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(near.get(), server.address().get(), server.address().length()) == 0);
  REQUIRE(fcntl(near.get(), F_SETFL, O_NONBLOCK) == 0);
  Peer far = server.accept();
  return {std::move(near), std::move(far)};
}

}  // namespace azulb::test
