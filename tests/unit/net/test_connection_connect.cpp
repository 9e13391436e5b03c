#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "../support/recorder.hpp"
#include "../support/sockets.hpp"
#include "azulb/net/connection.hpp"

using namespace azulb;

namespace {

struct Fixture {
  ~Fixture() { connection.close(); }
  net::Loop loop;
  test::Recorder recorder;
  net::Connection connection{loop, recorder};
};

}  // namespace

TEST_CASE("a connection that stands is told, and what was written before and then leaves in order") {
  Fixture f;
  const test::Server server;
  f.recorder.when_connected = [&] { f.connection.write(std::string_view("two")); };
  REQUIRE(f.connection.connect(server.address()) == 0);
  CHECK_FALSE(f.recorder.connected);
  f.connection.write(std::string_view("one"));
  CHECK(f.connection.queued_bytes() == 3);
  CHECK(test::run_until(f.loop, [&] { return f.recorder.connected; }));
  REQUIRE(server.has_connection());
  test::Peer peer = server.accept();
  CHECK(test::run_until(f.loop, [&] {
    peer.drain();
    return peer.received().size() == 6;
  }));
  CHECK(peer.received() == "onetwo");
  peer.send("three");
  CHECK(test::run_until(f.loop, [&] { return f.recorder.received == "three"; }));
}

TEST_CASE("a writing side that ended before the connection stood is ended when it stands") {
  Fixture f;
  const test::Server server;
  REQUIRE(f.connection.connect(server.address()) == 0);
  f.connection.end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.recorder.connected; }));
  test::Peer peer = server.accept();
  CHECK(test::run_until(f.loop, [&] {
    peer.receive();
    return peer.ended();
  }));
}

TEST_CASE("a refused connection is an errno at once or a failure, never both, and never connected") {
  Fixture f;
  const test::Server refusing(false);
  const int at_once = f.connection.connect(refusing.address());
  if (at_once == 0) {
    CHECK(test::run_until(f.loop, [&] { return f.recorder.failures > 0; }));
    CHECK(f.recorder.failure == ECONNREFUSED);
  } else {
    CHECK(at_once == ECONNREFUSED);
    CHECK_FALSE(f.connection.open());
    test::settle(f.loop);
    CHECK(f.recorder.failures == 0);
  }
  CHECK_FALSE(f.recorder.connected);
}

TEST_CASE("a connection closed while it is being made is told nothing") {
  Fixture f;
  const test::Server server;
  REQUIRE(f.connection.connect(server.address()) == 0);
  f.connection.close();
  test::settle(f.loop);
  CHECK_FALSE(f.recorder.connected);
  CHECK(f.recorder.failures == 0);
}

TEST_CASE("a unix socket that is not there fails at once") {
  Fixture f;
  CHECK(f.connection.connect(*base::SocketAddress::from_unix_path("/nonexistent/azulb.sock")) == ENOENT);
  CHECK_FALSE(f.connection.open());
}
