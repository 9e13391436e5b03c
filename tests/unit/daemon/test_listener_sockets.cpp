#include "azulb/daemon/listener_sockets.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "listening.hpp"

using namespace azulb;
using daemon::ListenerSockets;
using test::loopback;
using test::opened;

namespace {

bool listens(int descriptor) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value == 1;
}

/// Of all workers.
std::set<std::uint64_t> ids_of_workers(const ListenerSockets& sockets, unsigned workers) {
  std::set<std::uint64_t> ids;
  for (unsigned index = 0; index < workers; ++index) {
    for (const auto& of_listener : sockets.of_worker(index, workers)) {
      for (const auto& socket : of_listener)
        ids.insert(socket.id);
    }
  }
  return ids;
}

/// As a successor is handed them: with descriptors of its own.
daemon::Handover handed_over(const ListenerSockets& sockets) {
  daemon::Handover handover{.predecessor = 1, .channel = -1, .pid_file = -1, .sockets = sockets.handed()};
  for (auto& of_address : handover.sockets) {
    for (int& descriptor : of_address.descriptors)
      descriptor = dup(descriptor);
  }
  return handover;
}

}  // namespace

TEST_CASE("each worker has a socket of its own on each TCP address") {
  const auto config = test::listeners({"http", "more"}, 3);
  const ListenerSockets sockets = opened(config, {{loopback(0)}, {loopback(0)}});
  CHECK(sockets.ids().size() == 6);
  for (unsigned index = 0; index < 3; ++index) {
    const auto of_worker = sockets.of_worker(index, 3);
    REQUIRE(of_worker.size() == 2);
    CHECK(of_worker[0].size() == 1);
    CHECK(of_worker[1].size() == 1);
    CHECK_FALSE(of_worker[0][0].shared);
  }
}

TEST_CASE("with fewer workers no socket is without one, and with more each has its own") {
  const auto addresses = daemon::ListenerAddresses{{loopback(0)}};
  const ListenerSockets three = opened(test::listeners({"http"}, 3), addresses);
  const ListenerSockets two = opened(test::listeners({"http"}, 2), addresses, three);
  CHECK(two.ids() == three.ids());
  CHECK(ids_of_workers(two, 2).size() == 3);
  const ListenerSockets five = opened(test::listeners({"http"}, 5), addresses, two);
  CHECK(ids_of_workers(five, 5).size() == 5);
  for (const std::uint64_t id : three.ids())
    CHECK(five.ids().contains(id));
}

TEST_CASE("an address keeps its sockets under another listener's name, and one that goes does not") {
  const base::SocketAddress bound = net::BoundSocket::bind(loopback(0), 16, false)->address();
  const ListenerSockets fixed = opened(test::listeners({"http"}, 2), {{bound}}, {});
  const ListenerSockets renamed = opened(test::listeners({"web"}, 2), {{bound}}, fixed);
  CHECK(renamed.ids() == fixed.ids());
  const ListenerSockets moved = opened(test::listeners({"web"}, 2), {{loopback(0)}}, renamed);
  CHECK(moved.addresses().front() != bound);
  for (const std::uint64_t id : fixed.ids())
    CHECK_FALSE(moved.ids().contains(id));
}

TEST_CASE("a socket that joins others gets connections only once all are to listen") {
  const auto addresses = daemon::ListenerAddresses{{loopback(0)}};
  const ListenerSockets one = opened(test::listeners({"http"}, 1), addresses);
  const auto config = test::listeners({"http"}, 3);
  const ListenerSockets three = opened(config, addresses, one);
  const auto descriptors = three.handed().front().descriptors;
  REQUIRE(descriptors.size() == 3);
  CHECK(listens(descriptors[0]));
  CHECK_FALSE(listens(descriptors[1]));
  CHECK_FALSE(listens(descriptors[2]));
  three.listen(config);
  for (const int descriptor : descriptors)
    CHECK(listens(descriptor));
}

TEST_CASE("an address in use is an error, and nothing has changed") {
  const ListenerSockets theirs = opened(test::listeners({"http"}, 1), {{loopback(0)}});
  const ListenerSockets ours = opened(test::listeners({"http"}, 1), {{loopback(0)}});
  daemon::InheritedSockets none;
  const auto next = ListenerSockets::open(
      test::listeners({"http"}, 1), {{ours.addresses().front(), theirs.addresses().front()}}, ours, none);
  REQUIRE_FALSE(next);
  CHECK(next.error().message.find("listener http: cannot listen on") == 0);
  CHECK(listens(ours.handed().front().descriptors.front()));
}

TEST_CASE("a unix socket is one for all workers, and its path goes with it") {
  const test::Directory directory;
  {
    const ListenerSockets sockets = opened(test::listeners({"unix"}, 3), {{directory.socket("a")}});
    CHECK(sockets.ids().size() == 1);
    for (unsigned index = 0; index < 3; ++index)
      CHECK(sockets.of_worker(index, 3)[0][0].shared);
    CHECK(std::filesystem::exists(directory.file("a")));
  }
  CHECK_FALSE(std::filesystem::exists(directory.file("a")));
}

TEST_CASE("a successor takes whole groups, by address or, where the kernel chose the port, by listener") {
  const test::Directory directory;
  const auto config = test::listeners({"one", "two", "unix"}, 2);
  const daemon::ListenerAddresses addresses = {{loopback(0)}, {loopback(0)}, {directory.socket("a")}};
  const ListenerSockets before = opened(config, addresses);
  before.listen(config);
  auto inherited = daemon::InheritedSockets::from_predecessor(handed_over(before));
  REQUIRE(inherited);
  const auto after = ListenerSockets::open(config, addresses, {}, *inherited);
  REQUIRE(after);
  CHECK(inherited->left().empty());
  CHECK(after->addresses() == before.addresses());
  CHECK(after->ids().size() == 5);
}

TEST_CASE("until it owns them, a successor that fails takes nothing away") {
  const test::Directory directory;
  const auto config = test::listeners({"unix"}, 1);
  const daemon::ListenerAddresses addresses = {{directory.socket("a")}};
  auto before = opened(config, addresses);
  const auto take = [&] {
    auto inherited = daemon::InheritedSockets::from_predecessor(handed_over(before));
    auto taken = ListenerSockets::open(config, addresses, {}, *inherited);
    REQUIRE(taken);
    return std::move(*taken);
  };
  { const ListenerSockets failed = take(); }
  CHECK(std::filesystem::exists(directory.file("a")));
  {
    const ListenerSockets successor = take();
    successor.own();
    CHECK(before.give_up({}) == before.ids());
    before = {};
    CHECK(std::filesystem::exists(directory.file("a")));  // the predecessor has ended
  }
  CHECK_FALSE(std::filesystem::exists(directory.file("a")));
}

TEST_CASE("what the successor leaves stays the predecessor's, to be ended") {
  const test::Directory directory;
  {
    const ListenerSockets sockets =
        opened(test::listeners({"a", "b"}, 1), {{directory.socket("a")}, {directory.socket("b")}});
    const auto handed = sockets.handed();
    CHECK(sockets.give_up(handed[1].descriptors).size() == 1);
  }
  CHECK(std::filesystem::exists(directory.file("a")));
  CHECK_FALSE(std::filesystem::exists(directory.file("b")));
}

TEST_CASE("a manager's socket stays the manager's through every hand") {
  const test::Directory directory;
  auto theirs = *net::BoundSocket::bind(loopback(0), 16, false);
  daemon::Handover handover{.predecessor = 1, .channel = -1, .pid_file = -1, .sockets = {}};
  handover.sockets.push_back({.listener = "web", .managed = true, .named = true, .descriptors = {}});
  handover.sockets[0].descriptors = {dup(theirs.descriptor())};
  auto inherited = daemon::InheritedSockets::from_predecessor(handover);
  REQUIRE(inherited);
  const auto sockets = ListenerSockets::open(test::listeners({"web"}, 4), {{loopback(1)}}, {}, *inherited);
  REQUIRE(sockets);
  sockets->own();
  const auto handed = sockets->handed();
  REQUIRE(handed.size() == 1);
  CHECK(handed[0].managed);
  CHECK(handed[0].named);
  CHECK(handed[0].descriptors.size() == 1);  // one for all workers
  CHECK(sockets->of_worker(3, 4)[0][0].shared);
}
