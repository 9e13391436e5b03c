#include "azulb/net/listening_socket.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../support/recorder.hpp"
#include "../support/sockets.hpp"
#include "azulb/net/connection.hpp"

using namespace azulb;
using net::BoundSocket;
using test::settle;

namespace {

struct Acceptor final : net::AcceptHandler {
  bool may_accept() override { return willing; }
  void on_accepted(const base::SocketAddress& local, int descriptor,
                   const base::SocketAddress& peer) override {
    accepted.emplace_back(descriptor);
    peers.push_back(peer);
    last_local = local;
  }
  void on_accept_failure(int system_error) override { failure = system_error; }

  bool willing = true;
  std::vector<test::Descriptor> accepted;
  std::vector<base::SocketAddress> peers;
  base::SocketAddress last_local;
  int failure = 0;
};

/// A blocking connection that is made at once: the backlog takes it.
test::Peer connect_to(const base::SocketAddress& address) {
  test::Descriptor descriptor(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(descriptor.get(), address.get(), address.length()) == 0);
  return test::Peer(std::move(descriptor));
}

base::SocketAddress loopback(std::uint16_t port) {
  return base::SocketAddress::from_ip(*base::IpAddress::parse("127.0.0.1"), port);
}

struct Directory {
  Directory() {
    char pattern[] = "/tmp/azulb-net-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    path = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  base::SocketAddress address(const char* name = "a.sock") const {
    return *base::SocketAddress::from_unix_path(path + "/" + name);
  }
  std::string path;
};

bool mentions(const base::Error& error, std::string_view text) {
  return error.message.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("port 0 is a port that the kernel chose, and connections to it are accepted") {
  net::Loop loop;
  const auto bound = BoundSocket::bind(loopback(0), 16, false);
  REQUIRE(bound);
  CHECK(bound->address().port() != 0);
  Acceptor acceptor;
  net::ListeningSocket listening(loop, *bound, acceptor);
  CHECK(listening.paused());
  const test::Peer one = connect_to(bound->address());
  const test::Peer two = connect_to(bound->address());
  settle(loop);
  CHECK(acceptor.accepted.empty());
  listening.resume();
  settle(loop);
  REQUIRE(acceptor.accepted.size() == 2);
  CHECK(acceptor.last_local == bound->address());
  CHECK(acceptor.peers[0].ip() == *base::IpAddress::parse("127.0.0.1"));
  CHECK(acceptor.peers[0].port() != 0);
  CHECK(acceptor.failure == 0);
}

TEST_CASE("while it is paused, or its handler unwilling, connections wait in the backlog") {
  net::Loop loop;
  const auto bound = BoundSocket::bind(loopback(0), 16, false);
  REQUIRE(bound);
  Acceptor acceptor;
  net::ListeningSocket listening(loop, *bound, acceptor);
  listening.resume();
  acceptor.willing = false;
  const test::Peer one = connect_to(bound->address());
  settle(loop);
  CHECK(acceptor.accepted.empty());
  acceptor.willing = true;
  settle(loop);
  CHECK(acceptor.accepted.size() == 1);
  listening.pause();
  const test::Peer two = connect_to(bound->address());
  settle(loop);
  CHECK(acceptor.accepted.size() == 1);
  listening.resume();
  settle(loop);
  CHECK(acceptor.accepted.size() == 2);
}

TEST_CASE("an accepted connection is read without waiting for an event") {
  net::Loop loop;
  const auto bound = BoundSocket::bind(loopback(0), 16, false);
  REQUIRE(bound);
  Acceptor acceptor;
  net::ListeningSocket listening(loop, *bound, acceptor);
  listening.resume();
  const test::Peer peer = connect_to(bound->address());
  REQUIRE(peer.send("hello") == 5);
  settle(loop);
  REQUIRE(acceptor.accepted.size() == 1);
  test::Recorder recorder;
  net::Connection connection(loop, recorder);
  connection.adopt(acceptor.accepted[0].release());
  settle(loop);
  CHECK(recorder.received == "hello");
  connection.close();
}

TEST_CASE("shared sockets stand on one address; another one is refused with the remedy") {
  const auto one = BoundSocket::bind(loopback(0), 16, true);
  REQUIRE(one);
  CHECK(BoundSocket::bind(one->address(), 16, true));
  const auto other = BoundSocket::bind(one->address(), 16, false);
  REQUIRE_FALSE(other);
  CHECK(other.error().system_error == EADDRINUSE);
  CHECK(mentions(other.error(), one->address().text()));
  CHECK(mentions(other.error(), "ss -ltnp"));
}

TEST_CASE("an address that no interface has is refused with the remedy") {
  const auto address = base::SocketAddress::from_ip(*base::IpAddress::parse("192.0.2.1"), 0);  // TEST-NET-1
  const auto bound = BoundSocket::bind(address, 16, false);
  REQUIRE_FALSE(bound);
  CHECK(bound.error().system_error == EADDRNOTAVAIL);
  CHECK(mentions(bound.error(), "no interface of this machine"));
}

TEST_CASE("a unix socket accepts, and its path goes with it") {
  const Directory directory;
  {
    net::Loop loop;
    const auto bound = BoundSocket::bind(directory.address(), 16, false);
    REQUIRE(bound);
    Acceptor acceptor;
    net::ListeningSocket listening(loop, *bound, acceptor);
    listening.resume();
    test::Recorder recorder;
    net::Connection connection(loop, recorder);
    REQUIRE(connection.connect(directory.address()) == 0);
    CHECK(test::run_until(loop, [&] { return recorder.connected && acceptor.accepted.size() == 1; }));
    CHECK(acceptor.peers[0].is_unix());
    connection.close();
  }
  CHECK_FALSE(std::filesystem::exists(directory.path + "/a.sock"));
}

TEST_CASE("a unix path that a dead process left is replaced, a living one's is not") {
  const Directory directory;
  const base::SocketAddress address = directory.address();
  test::Descriptor previous(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(bind(previous.get(), address.get(), address.length()) == 0);
  REQUIRE(listen(previous.get(), 1) == 0);
  SUBCASE("living") {
    const auto bound = BoundSocket::bind(address, 16, false);
    REQUIRE_FALSE(bound);
    CHECK(bound.error().system_error == EADDRINUSE);
    CHECK(mentions(bound.error(), "a.sock"));
  }
  SUBCASE("dead") {
    previous.close();
    const auto bound = BoundSocket::bind(address, 16, false);
    REQUIRE(bound);
    const test::Peer peer = connect_to(address);
  }
  SUBCASE("living, with a full backlog") {
    std::vector<test::Descriptor> waiting;
    for (;;) {
      test::Descriptor one(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (connect(one.get(), address.get(), address.length()) != 0) break;
      waiting.push_back(std::move(one));
    }
    CHECK_FALSE(BoundSocket::bind(address, 16, false));
    CHECK(std::filesystem::exists(directory.path + "/a.sock"));
  }
}

TEST_CASE("a file that is no socket is left alone, and a missing directory is named") {
  const Directory directory;
  std::ofstream(directory.path + "/a.sock") << "precious";
  CHECK_FALSE(BoundSocket::bind(directory.address(), 16, false));
  CHECK(std::filesystem::file_size(directory.path + "/a.sock") == 8);
  const auto missing = BoundSocket::bind(directory.address("no/where.sock"), 16, false);
  REQUIRE_FALSE(missing);
  CHECK(mentions(missing.error(), "create it"));
}

TEST_CASE("a socket that another process goes on holding is taken over, and left listening") {
  net::Loop loop;
  const BoundSocket theirs = *BoundSocket::bind(loopback(0), 16, false);
  Acceptor acceptor;
  {
    auto socket = BoundSocket::adopt(dup(theirs.descriptor()), BoundSocket::Holder::manager);
    REQUIRE(socket);
    CHECK(socket->address() == theirs.address());
    CHECK(socket->is_shared());
    net::ListeningSocket listening(loop, *socket, acceptor);
    listening.resume();
    const test::Peer peer = connect_to(theirs.address());
    settle(loop);
    CHECK(acceptor.accepted.size() == 1);
    listening.end();
  }
  connect_to(theirs.address());  // waits in the backlog for who comes next
  const int accepted = accept(theirs.descriptor(), nullptr, nullptr);
  CHECK(accepted >= 0);
  close(accepted);
}

TEST_CASE("a unix socket that is taken over keeps its path") {
  const Directory directory;
  const BoundSocket theirs = *BoundSocket::bind(directory.address(), 16, false);
  { REQUIRE(BoundSocket::adopt(dup(theirs.descriptor()), BoundSocket::Holder::manager)); }
  CHECK(std::filesystem::exists(directory.path + "/a.sock"));
}

TEST_CASE("what does not listen is not taken over, and stays open") {
  const test::Descriptor table[] = {test::Descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                                    test::Descriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
                                    test::Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC))};
  for (const test::Descriptor& descriptor : table) {
    CHECK_FALSE(BoundSocket::adopt(descriptor.get(), BoundSocket::Holder::manager));
    CHECK(fcntl(descriptor.get(), F_GETFD) >= 0);
  }
}
