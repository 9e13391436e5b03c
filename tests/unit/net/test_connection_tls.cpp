// Connections that TLS carries: two of them, on one loop, over a pair of sockets.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <utility>

#include "../support/recorder.hpp"
#include "../support/sockets.hpp"
#include "../tls/fixture.hpp"
#include "azulb/net/connection.hpp"

using namespace azulb;
using namespace std::chrono_literals;

namespace {

struct Contexts {
  Contexts() {
    tls::ServerSettings server_settings;
    server_settings.certificates = {identity.files()};
    server = *tls::ServerContext::build(server_settings);
    tls::ClientSettings client_settings;
    client_settings.ca = identity.certificate;
    client = *tls::ClientContext::build(client_settings);
  }
  test::Identity identity;
  std::shared_ptr<tls::ServerContext> server;
  std::shared_ptr<tls::ClientContext> client;
};

const Contexts& contexts() {
  static const Contexts made;
  return made;
}

/// `server` is adopted, `client` connects to where it was accepted.
struct Fixture {
  Fixture() {
    REQUIRE(client.connect(listening.address(), contexts().client->make_session("a.test", resumption)) == 0);
    CHECK(test::run_until(loop, [&] { return listening.has_connection(); }));
    const int descriptor = accept4(listening.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    server.adopt(descriptor, contexts().server->make_session(), loop.timers().list(10s));
  }
  ~Fixture() {
    client.close();
    server.close();
  }
  void stand() {
    CHECK(test::run_until(loop, [&] { return at_client.connected && at_server.connected; }));
  }

  net::Loop loop;
  test::Server listening;
  tls::Resumption resumption;
  test::Recorder at_client;
  test::Recorder at_server;
  net::Connection client{loop, at_client};
  net::Connection server{loop, at_server};
};

/// A connection adopted as a client's, with the far end in the test's hands.
struct Bare {
  explicit Bare(net::TimerList& handshake_timeout, net::Loop& owner) : loop(owner) {
    connection.adopt(pair.near.release(), contexts().server->make_session(), handshake_timeout);
  }
  ~Bare() { connection.close(); }

  net::Loop& loop;
  test::Pair pair = test::tcp_pair();
  test::Recorder recorder;
  net::Connection connection{loop, recorder};
};

}  // namespace

TEST_CASE("both sides are told when the handshake is done, and what was written before leaves then") {
  Fixture f;
  f.client.write(std::string_view("early"));
  f.server.write(std::string_view("bird"));
  CHECK_FALSE(f.at_client.connected);
  CHECK(f.client.queued_bytes() == 5);
  f.stand();
  CHECK(test::run_until(f.loop,
                        [&] { return f.at_server.received == "early" && f.at_client.received == "bird"; }));
  CHECK(f.client.tls() != nullptr);
  CHECK(f.client.received_bytes() == 4);
  CHECK(f.client.sent_bytes() == 5);
}

TEST_CASE("megabytes pass in both directions at once, with pauses on either side") {
  Fixture f;
  f.stand();
  const int least = 1;
  setsockopt(f.client.descriptor(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
  setsockopt(f.server.descriptor(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
  std::string bulk;
  for (std::size_t index = 0; bulk.size() < 3'000'000; ++index)
    bulk += std::to_string(index);
  f.client.write(bulk);
  f.server.write(bulk);
  f.client.flush();
  f.server.flush();
  CHECK(f.client.queued_bytes() > 0);
  std::size_t turns = 0;
  CHECK(test::run_until(f.loop, [&] {
    if (++turns % 7 == 0) f.client.pause_reading();
    if (turns % 7 == 3) f.client.resume_reading();
    if (turns % 5 == 0) f.server.pause_reading();
    if (turns % 5 == 2) f.server.resume_reading();
    return f.at_client.received.size() == bulk.size() && f.at_server.received.size() == bulk.size();
  }));
  CHECK((f.at_client.received == bulk));
  CHECK((f.at_server.received == bulk));
  CHECK(f.at_client.drained > 0);
  CHECK(f.at_client.failures + f.at_server.failures == 0);
}

TEST_CASE("what a reader leaves comes again, together with what follows") {
  Fixture f;
  f.stand();
  f.at_server.consume_limit = 0;
  f.client.write(std::string_view("one"));
  CHECK(test::run_until(f.loop, [&] { return f.at_server.offered == "one"; }));
  f.client.write(std::string_view("two"));
  CHECK(test::run_until(f.loop, [&] { return f.at_server.offered == "onetwo"; }));
}

TEST_CASE("an end is told once, and the other direction goes on") {
  Fixture f;
  f.stand();
  f.client.write(std::string_view("last"));
  f.client.end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.at_server.ended; }));
  CHECK(f.at_server.received_at_end == 4);
  f.server.write(std::string_view("answer"));
  f.server.end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.at_client.ended; }));
  CHECK(f.at_client.received == "answer");
  CHECK(f.at_client.failures + f.at_server.failures == 0);
}

TEST_CASE("an end after megabytes comes behind all of them") {
  Fixture f;
  f.stand();
  const std::string bulk(3'000'000, 'x');
  f.server.write(bulk);
  f.server.end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.at_client.ended; }));
  CHECK(f.at_client.received_at_end == bulk.size());
  CHECK(f.at_client.failures == 0);
}

TEST_CASE("a close tells the end, an abort breaks the connection") {
  for (const bool aborted : {false, true}) {
    CAPTURE(aborted);
    Fixture f;
    f.stand();
    test::settle(f.loop);
    if (aborted) {
      f.server.abort();
    } else {
      f.server.close();
    }
    CHECK(test::run_until(f.loop, [&] { return f.at_client.ended || f.at_client.failures > 0; }));
    CHECK(f.at_client.ended == !aborted);
    CHECK(f.at_client.failure == (aborted ? ECONNRESET : 0));
  }
}

TEST_CASE("there is no pending input on an idle connection, whatever TLS has sent besides") {
  Fixture f;
  f.stand();
  test::settle(f.loop);
  CHECK_FALSE(f.client.has_pending_input());
  f.client.pause_reading();
  f.server.write(std::string_view("x"));
  f.server.flush();
  CHECK(test::run_until(f.loop, [&] { return f.client.has_pending_input(); }));
  CHECK(f.client.has_pending_input());
  f.client.resume_reading();
  CHECK(test::run_until(f.loop, [&] { return f.at_client.received == "x"; }));
}

TEST_CASE(
    "plain bytes instead of a handshake are a failure of their own, and can be read from the beginning") {
  net::Loop loop;
  for (const bool late : {false, true}) {
    CAPTURE(late);
    Bare f(loop.timers().list(10s), loop);
    if (late) test::settle(loop);
    f.pair.far.send("GET /");
    f.recorder.when_failed = [&] { f.connection.continue_plain(); };
    CHECK(test::run_until(loop, [&] { return f.recorder.received == "GET /"; }));
    CHECK(f.recorder.failure == EPROTONOSUPPORT);
    CHECK(f.connection.tls() == nullptr);
    f.connection.write(std::string_view("HTTP"));
    CHECK(test::run_until(loop, [&] {
      f.pair.far.drain();
      return f.pair.far.received() == "HTTP";
    }));
  }
}

TEST_CASE("a handshake that does not end in time fails, whether anything has come or not") {
  net::Loop loop;
  for (const std::string_view sent : {"", "\x16\x03\x01"}) {
    Bare f(loop.timers().list(20ms), loop);
    f.pair.far.send(sent);
    CHECK(test::run_until(loop, [&] { return f.recorder.failures > 0; }));
    CHECK(f.recorder.failure == ETIMEDOUT);
    CHECK_FALSE(f.recorder.connected);
  }
}

TEST_CASE("a client that leaves before or within the handshake is a failure, not a connection") {
  net::Loop loop;
  for (const std::string_view sent : {"", "\x16\x03\x01"}) {
    for (const bool reset : {false, true}) {
      Bare f(loop.timers().list(10s), loop);
      f.recorder.when_failed = [&] { f.connection.close(); };
      f.pair.far.send(sent);
      if (reset) {
        f.pair.far.reset();
      } else {
        f.pair.far.close();
      }
      CHECK(test::run_until(loop, [&] { return f.recorder.failures > 0; }));
      CHECK_FALSE(f.recorder.connected);
      CHECK_FALSE(f.recorder.ended);
      CHECK(f.recorder.failures == 1);
    }
  }
}

TEST_CASE("a connection closed within its handshake is told nothing") {
  Fixture f;
  test::settle(f.loop);
  f.server.close();
  f.client.close();
  f.at_client.connected = f.at_server.connected = false;
  test::settle(f.loop);
  CHECK_FALSE(f.at_client.connected);
  CHECK_FALSE(f.at_server.connected);
  CHECK(f.at_client.failures + f.at_server.failures == 0);
}
