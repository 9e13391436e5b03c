// Connections that carry several streams: who shares one, who waits for one, and how they end.
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include "../support/http2_frames.hpp"
#include "pool_fixture.hpp"

using namespace azulb;
using test::frame;
using test::number;
using test::Peer;
using test::run_until;
using test::Waiting;
using upstream::Lease;
using upstream::Trust;

namespace {

std::string settings_of(std::uint32_t streams) {
  return frame(test::settings_frame, 0, 0, std::string("\0\3", 2) + number(streams));
}

const std::string goaway = frame(test::goaway_frame, 0, 0, number(0x7fffffff) + number(0));
const std::string ping_answer = frame(test::ping_frame, 1, 0, std::string(8, '\0'));

struct Fixture : test::PoolFixture {
  Fixture() { settings.protocol = config::Protocol::http2; }

  void wait(Waiting& waiting) { REQUIRE(pool->connect(waiting) == 0); }
  /// The server's end of the next connection that azulb makes, before a word has been said.
  Peer& accept() {
    REQUIRE(run_until(loop, [&] { return listening.has_connection(); }));
    return servers.emplace_back(listening.accept());
  }
  void say(const Peer& server, const std::string& frames) {
    REQUIRE(server.send(frames) == frames.size());
    test::settle(loop);
  }
  /// A lease on a new connection to a server that allows so many streams.
  Lease connect(std::uint32_t streams) {
    Waiting waiting;
    wait(waiting);
    say(accept(), settings_of(streams));
    REQUIRE(waiting.lease);
    return std::move(waiting.lease);
  }
  bool connects_again() {
    test::settle(loop);
    return listening.has_connection();
  }
  bool asked(Peer& server) {
    return run_until(loop, [&] {
      server.receive();
      return server.received().find(std::string("\0\0\x08\x06\0", 5)) != std::string::npos;
    });
  }
};

}  // namespace

TEST_CASE("streams share a connection, as many as the server allows; the next has another") {
  Fixture f;
  f.make_pool();
  Lease one = f.connect(2);
  CHECK_FALSE(one.reused());
  Lease two = f.pool->lease_kept(Trust::kept);
  REQUIRE(two);
  CHECK(two.reused());
  CHECK_FALSE(f.pool->lease_kept(Trust::kept));
  Lease three = f.connect(2);
  CHECK(f.connections.live() == 2);
  one.release();
  CHECK(f.pool->idle_count() == 0);
  two.release();
  CHECK(f.pool->idle_count() == 1);
  CHECK(f.pool->lease_kept(Trust::kept));
}

TEST_CASE("who needs a stream while a connection is being made waits at the same one") {
  Fixture f;
  f.make_pool();
  std::array<Waiting, 3> waiting;
  for (Waiting& each : waiting)
    f.wait(each);
  Peer& first = f.accept();
  CHECK_FALSE(f.connects_again());
  f.say(first, settings_of(2));
  CHECK(waiting[0].lease);
  CHECK(waiting[1].lease);
  CHECK_FALSE(waiting[2].lease);
  // It was reckoned with more than this server allows: who found no room moves on.
  f.say(f.accept(), settings_of(2));
  CHECK(waiting[2].lease);
  CHECK(f.connections.live() == 2);
}

TEST_CASE("how many may wait for a connection is what earlier ones allowed") {
  Fixture f;
  f.make_pool();
  const Lease one = f.connect(1);
  Waiting two;
  Waiting three;
  f.wait(two);
  f.wait(three);
  f.accept();
  CHECK(f.listening.has_connection());
}

TEST_CASE("a connection that nobody waits for any more is not made") {
  Fixture f;
  f.make_pool();
  Waiting one;
  Waiting two;
  f.wait(one);
  f.wait(two);
  Peer& server = f.accept();
  one.stop_waiting();
  test::settle(f.loop);
  CHECK(f.connections.live() == 1);
  two.stop_waiting();
  CHECK(f.is_closed(server));
  CHECK(f.connections.live() == 0);
}

TEST_CASE("a failed connection is one failure, however many waited for it") {
  Fixture f;
  f.make_pool();
  std::array<Waiting, 3> waiting;
  for (Waiting& each : waiting)
    f.wait(each);
  f.accept().close();
  REQUIRE(run_until(f.loop, [&] { return waiting[2].failure != 0; }));
  for (const Waiting& each : waiting)
    CHECK(each.failure == ECONNRESET);
  CHECK_FALSE(waiting[0].known);
  CHECK(waiting[1].known);
  CHECK(waiting[2].known);
}

TEST_CASE("a connection that one has given up waiting for is joined by nobody, and its failure is known") {
  Fixture f;
  f.make_pool();
  Waiting one;
  Waiting two;
  f.wait(one);
  f.wait(two);
  Peer& silent = f.accept();
  CHECK(one.give_up());
  one.stop_waiting();
  CHECK_FALSE(two.give_up());
  Waiting three;
  f.wait(three);
  f.say(f.accept(), settings_of(9));
  CHECK(three.lease);
  CHECK_FALSE(two.lease);
  silent.close();
  REQUIRE(run_until(f.loop, [&] { return two.failure != 0; }));
  CHECK(two.known);
}

TEST_CASE("GOAWAY takes no more streams; the connection is closed with its last lease") {
  Fixture f;
  f.make_pool();
  Lease one = f.connect(9);
  Lease two = f.pool->lease_kept(Trust::kept);
  f.say(f.servers[0], goaway);
  CHECK_FALSE(f.pool->lease_kept(Trust::kept));
  const Lease other = f.connect(9);
  one.release();
  test::settle(f.loop);
  CHECK(f.connections.live() == 2);
  two.release();
  CHECK(f.is_closed(f.servers[0]));
  CHECK(f.connections.live() == 1);
}

TEST_CASE("GOAWAY ends an idle connection") {
  Fixture f;
  f.make_pool();
  f.connect(9).release();
  CHECK(f.pool->idle_count() == 1);
  f.say(f.servers[0], goaway);
  CHECK(f.pool->idle_count() == 0);
  CHECK(f.connections.live() == 0);
}

TEST_CASE("what is closed when it is given back stays so, whatever its server says meanwhile") {
  Fixture f;
  f.make_pool();
  Lease one = f.connect(2);
  Lease two = f.pool->lease_kept(Trust::kept);
  f.pool->close_idle();
  CHECK(f.connections.live() == 1);
  f.say(f.servers[0], settings_of(50));
  CHECK_FALSE(f.pool->lease_kept(Trust::kept));
  Waiting waiting;
  f.wait(waiting);
  f.say(f.accept(), settings_of(50));
  CHECK(waiting.lease);
  one.release();
  f.say(f.servers[0], settings_of(60));
  two.release();
  CHECK(f.is_closed(f.servers[0]));
  CHECK(f.connections.live() == 1);
}

TEST_CASE("a connection is closed after its number of requests, when the last of them has ended") {
  Fixture f;
  f.settings.requests = 2;
  f.make_pool();
  std::array<Waiting, 3> waiting;
  for (Waiting& each : waiting)
    f.wait(each);
  f.say(f.accept(), settings_of(9));
  f.say(f.accept(), settings_of(9));
  CHECK(waiting[2].lease);
  CHECK(f.connections.live() == 2);
  waiting[0].lease.release();
  waiting[1].lease.release();
  CHECK(f.is_closed(f.servers[0]));
  CHECK(f.connections.live() == 1);
}

TEST_CASE("a server heard of lately is trusted; one that is not is asked, and its answer serves who waits") {
  Fixture f;
  f.make_pool();
  f.connect(9).release();
  CHECK(f.pool->lease_kept(Trust::proven));
  REQUIRE(run_until(f.loop, [&] { return !f.pool->lease_kept(Trust::proven); }));
  Waiting one;
  Waiting two;
  f.wait(one);
  f.wait(two);
  CHECK_FALSE(f.pool->lease_kept(Trust::kept));
  REQUIRE(f.asked(f.servers[0]));
  f.say(f.servers[0], ping_answer);
  CHECK(one.lease);
  CHECK(two.lease);
  CHECK(one.lease.reused());
  CHECK(f.connections.live() == 1);
  CHECK(f.pool->lease_kept(Trust::proven));
}

TEST_CASE("who waits for a sign of life that does not come moves to a new connection") {
  Fixture f;
  f.make_pool();
  f.connect(9).release();
  REQUIRE(run_until(f.loop, [&] { return !f.pool->lease_kept(Trust::proven); }));
  Waiting alone;
  f.wait(alone);
  REQUIRE(f.asked(f.servers[0]));
  CHECK_FALSE(f.listening.has_connection());
  Peer& fresh = f.accept();  // without anybody else who asks
  Waiting another;
  f.wait(another);
  f.say(fresh, settings_of(9));
  CHECK(alone.lease);
  CHECK(another.lease);
  CHECK(f.connections.live() == 2);
  CHECK(f.pool->idle_count() == 1);  // it may yet answer
  alone.lease.release();
  another.lease.release();
  f.say(f.servers[0], ping_answer);
  CHECK(f.pool->idle_count() == 2);
}

TEST_CASE("one who learns of a failure may end another who waits for the same connection") {
  Fixture f;
  const std::string path =
      (std::filesystem::temp_directory_path() / "azulb_shared.").string() + std::to_string(getpid());
  f.settings.address = *base::SocketAddress::from_unix_path(path);
  const test::Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const base::SocketAddress& address = f.settings.address;
  REQUIRE(bind(socket.get(), address.get(), address.length()) == 0);
  REQUIRE(listen(socket.get(), 1) == 0);
  f.make_pool();
  std::array<Waiting, 3> waiting;
  for (Waiting& each : waiting)
    f.wait(each);
  const Peer server(test::Descriptor(accept4(socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)));
  unlink(path.c_str());  // no further connection
  waiting[1].when_failed = [&] { waiting[2].stop_waiting(); };
  f.say(server, settings_of(1));
  CHECK(waiting[0].lease);
  CHECK(waiting[1].failure == ENOENT);
  CHECK(waiting[2].failure == 0);
  waiting[0].lease.release();
  CHECK(f.pool->idle_count() == 1);
}

TEST_CASE("a pool may go in the turn in which the last of several leases was given back") {
  Fixture f;
  f.make_pool();
  Lease one = f.connect(9);
  Lease two = f.pool->lease_kept(Trust::kept);
  test::StreamRecorder stream;
  two.open_stream(stream);
  one.release();
  two.release();
  f.pool.reset();
  CHECK(f.is_closed(f.servers[0]));
  CHECK(f.connections.live() == 0);
}
