#include "azulb/upstream/server_pool.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "pool_fixture.hpp"

using namespace azulb;
using test::Waiting;
using upstream::Lease;
using upstream::Trust;
using Fixture = test::PoolFixture;

TEST_CASE("an empty pool has nothing to lease; a connection given back is leased again") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  CHECK_FALSE(pool.lease_kept(Trust::kept));
  {
    Lease lease = f.connect();
    f.exchange(lease, f.servers[0]);
    CHECK_FALSE(lease.reused());
  }
  CHECK(pool.idle_count() == 1);
  Lease again = pool.lease_kept(Trust::kept);
  REQUIRE(again);
  CHECK(pool.idle_count() == 0);
  CHECK_FALSE(pool.lease_kept(Trust::kept));
  f.exchange(again, f.servers[0]);
  CHECK(again.reused());
  CHECK_FALSE(f.listening.has_connection());
}

TEST_CASE("the connection used last is leased first, so that the others may grow old") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  Lease one = f.connect();
  Lease two = f.connect();
  f.exchange(one, f.servers[0]);
  f.exchange(two, f.servers[1]);
  one.release();
  two.release();
  CHECK(pool.idle_count() == 2);
  Lease first = pool.lease_kept(Trust::kept);
  f.exchange(first, f.servers[1]);
  Lease second = pool.lease_kept(Trust::kept);
  f.exchange(second, f.servers[0]);
}

TEST_CASE("a lease given up before its response has ended closes the connection") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  Lease lease = f.connect();
  lease.open_stream(f.stream);
  CHECK(lease.unprocessed());
  lease.release();
  CHECK_FALSE(lease);
  CHECK(pool.idle_count() == 0);
  CHECK(f.is_closed(f.servers[0]));
  CHECK(f.stream.events.empty());
  test::settle(f.loop);
  CHECK(f.connections.live() == 0);
}

TEST_CASE("a response that says close is the connection's last") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  Lease lease = f.connect();
  f.exchange(lease, f.servers[0], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  lease.release();
  CHECK(pool.idle_count() == 0);
  CHECK(f.is_closed(f.servers[0]));
}

TEST_CASE("idle connections past the limit are closed, and with a limit of 0 all are") {
  Fixture f;
  SUBCASE("1") {
    f.settings.connections = 1;
  }
  SUBCASE("0") {
    f.settings.connections = 0;
  }
  upstream::ServerPool& pool = f.make_pool();
  Lease one = f.connect();
  Lease two = f.connect();
  f.exchange(one, f.servers[0]);
  f.exchange(two, f.servers[1]);
  one.release();
  two.release();
  CHECK(pool.idle_count() == f.settings.connections);
  CHECK(f.is_closed(f.servers[1]));
}

TEST_CASE("a connection is closed when it has carried its number of requests") {
  Fixture f;
  f.settings.requests = 2;
  upstream::ServerPool& pool = f.make_pool();
  Lease lease = f.connect();
  f.exchange(lease, f.servers[0]);
  lease.release();
  CHECK(pool.idle_count() == 1);
  lease = pool.lease_kept(Trust::kept);
  f.exchange(lease, f.servers[0]);
  lease.release();
  CHECK(pool.idle_count() == 0);
  CHECK(f.is_closed(f.servers[0]));
}

TEST_CASE("an idle connection is closed after its idle time") {
  Fixture f;
  f.settings.idle = std::chrono::milliseconds(20);
  upstream::ServerPool& pool = f.make_pool();
  Lease lease = f.connect();
  f.exchange(lease, f.servers[0]);
  lease.release();
  CHECK(test::run_until(f.loop, [&] { return pool.idle_count() == 0; }));
  CHECK(f.is_closed(f.servers[0]));
}

TEST_CASE("a leased connection does not time out as an idle one") {
  Fixture f;
  f.settings.idle = std::chrono::milliseconds(20);
  upstream::ServerPool& pool = f.make_pool();
  Lease lease = f.connect();
  f.exchange(lease, f.servers[0]);
  lease.release();
  lease = pool.lease_kept(Trust::kept);
  REQUIRE(lease);
  const std::int64_t until_ms = f.loop.now_ms() + 60;
  CHECK(test::run_until(f.loop, [&] { return f.loop.now_ms() > until_ms; }));
  f.exchange(lease, f.servers[0]);
}

TEST_CASE("the server's Keep-Alive hint shortens the idle time, with a margin, and never lengthens it") {
  Fixture f;
  std::string_view hint;
  std::int64_t latest_ms = 0;
  SUBCASE("shorter") {
    f.settings.idle = std::chrono::hours(1);
    hint = "timeout=3";
    latest_ms = 2250;  // 3 s less the margin of 1 s, and the timer's eighth
  }
  SUBCASE("longer") {
    f.settings.idle = std::chrono::milliseconds(1500);
    hint = "timeout=60";
    latest_ms = 1500;
  }
  SUBCASE("too short for the margin") {
    f.settings.idle = std::chrono::hours(1);
    hint = "timeout=1";
    latest_ms = 563;
  }
  f.make_pool();
  Lease lease = f.connect();
  f.exchange(lease, f.servers[0],
             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: " + std::string(hint) + "\r\n\r\n");
  const std::int64_t now_ms = f.loop.now_ms();
  lease.release();
  CHECK(f.loop.timers().next_deadline_ms() > now_ms + latest_ms / 2);
  CHECK(f.loop.timers().next_deadline_ms() <= now_ms + latest_ms);
}

TEST_CASE("an idle connection that the server has closed is not leased") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  Lease lease = f.connect();
  f.exchange(lease, f.servers[0]);
  lease.release();
  SUBCASE("the loop has seen it") {
    f.servers[0].close();
    CHECK(test::run_until(f.loop, [&] { return pool.idle_count() == 0; }));
  }
  SUBCASE("the loop has not: one idle for over a second is looked at") {
    const std::int64_t until_ms = f.loop.now_ms() + 1001;
    CHECK(test::run_until(f.loop, [&] { return f.loop.now_ms() > until_ms; }));
    REQUIRE(pool.idle_count() == 1);
    f.servers[0].close();
  }
  CHECK_FALSE(pool.lease_kept(Trust::kept));
  CHECK(pool.idle_count() == 0);
}

TEST_CASE("a connection that is refused is told to who waits, unless nobody does any more") {
  Fixture f;
  const test::Server refusing(false);
  f.settings.address = refusing.address();
  upstream::ServerPool& pool = f.make_pool();
  Waiting waiting;
  if (const int system_error = pool.connect(waiting); system_error != 0) {  // known at once
    CHECK(system_error == ECONNREFUSED);
    CHECK(f.connections.live() == 0);
    return;
  }
  SUBCASE("told") {
    CHECK(test::run_until(f.loop, [&] { return waiting.failure != 0; }));
    CHECK(waiting.failure == ECONNREFUSED);
  }
  SUBCASE("gone") {
    waiting.stop_waiting();
    test::settle(f.loop);
    CHECK(waiting.failure == 0);
    CHECK(f.connections.live() == 0);
  }
  CHECK_FALSE(waiting.lease);
}

// The loop retires connections at the end of its turn, and reached for their pool.
TEST_CASE("a pool may go with idle connections before the loop's turn ends") {
  Fixture f;
  f.make_pool();
  Lease lease = f.connect();
  f.exchange(lease, f.servers[0]);
  lease.release();
  f.pool.reset();
  CHECK(f.connections.live() == 1);
  test::settle(f.loop);
  CHECK(f.connections.live() == 0);
  CHECK(f.is_closed(f.servers[0]));
}

TEST_CASE("a pool that is to keep nothing closes what is idle, and what is given back, until it may again") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  Lease one = f.connect();
  Lease two = f.connect();
  f.exchange(one, f.servers[0]);
  f.exchange(two, f.servers[1]);
  one.release();
  CHECK(pool.idle_count() == 1);
  pool.keep_idle(false);
  CHECK(pool.idle_count() == 0);
  CHECK(f.is_closed(f.servers[0]));
  two.release();
  CHECK(pool.idle_count() == 0);
  CHECK(f.is_closed(f.servers[1]));
  pool.keep_idle(true);
  Lease three = f.connect();
  f.exchange(three, f.servers[2]);
  three.release();
  CHECK(pool.idle_count() == 1);
}
