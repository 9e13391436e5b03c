// Connections that begin with a PROXY header belong to the client that it names.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

#include "pool_fixture.hpp"

using namespace azulb;
using upstream::Lease;
using upstream::PrivateConnections;
using upstream::Trust;

namespace {

/// Opens its stream at once, as an attempt does, and sends its request then or later.
struct Asking final : upstream::ConnectHandler {
  void on_connected(Lease given) override {
    lease = std::move(given);
    stream.writer = &lease.open_stream(stream);
    if (at_once) ask();
  }
  void on_connect_failure(const upstream::ConnectFailure& told) override { failure = told.system_error; }
  void ask() {
    http::RequestHead head;
    head.method_name = "GET";
    head.method = http::Method::get;
    http::RequestHeadOut out;
    out.head = &head;
    out.path = "/";
    out.host = "a";
    stream.writer->write_request(out);
    stream.writer->write_end({});
  }

  Lease lease;
  test::StreamRecorder stream;
  bool at_once = true;
  int failure = 0;
};

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Fixture : test::PoolFixture {
  Fixture() { settings.proxy_protocol = 1; }

  /// A connection of `owner` that has carried a request, given back; what the server received on it.
  std::string use_new_connection(PrivateConnections* owner) {
    Asking asking;
    REQUIRE(pool->connect(asking, owner) == 0);
    REQUIRE(test::run_until(loop, [&] { return listening.has_connection(); }));
    test::Peer& server = servers.emplace_back(listening.accept());
    REQUIRE(test::run_until(loop, [&] { return !server.receive().empty(); }));
    server.send(test::ok);
    REQUIRE(test::run_until(loop, [&] { return asking.stream.events.size() == 2; }));
    asking.lease.release();
    return server.received();
  }

  static net::ProxiedAddresses client(const char* ip, std::uint16_t port) {
    return {*base::IpAddress::parse(ip), *base::IpAddress::parse("198.51.100.1"), port, 443};
  }

  PrivateConnections one{client("192.0.2.1", 1001)};
  PrivateConnections two{client("192.0.2.1", 1002)};
};

}  // namespace

TEST_CASE("the PROXY header leaves together with the first request, and only with it") {
  Fixture f;
  f.make_pool();
  CHECK(f.use_new_connection(&f.one) ==
        "PROXY TCP4 192.0.2.1 198.51.100.1 1001 443\r\n" + std::string(request));
  CHECK(f.use_new_connection(nullptr) == "PROXY UNKNOWN\r\n" + std::string(request));
  Lease lease = f.pool->lease_kept(Trust::kept, &f.one);
  REQUIRE(lease);
  f.servers[0].forget();
  f.exchange(lease, f.servers[0]);
  CHECK(f.servers[0].received() == request);
}

TEST_CASE("a connection with a client's PROXY header is leased to that client alone") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  f.use_new_connection(&f.one);
  CHECK(pool.idle_count() == 1);
  CHECK_FALSE(pool.lease_kept(Trust::kept, &f.two));
  CHECK_FALSE(pool.lease_kept(Trust::kept, nullptr));
  f.use_new_connection(nullptr);
  CHECK_FALSE(pool.lease_kept(Trust::kept, &f.two));
  CHECK(pool.idle_count() == 2);
  Lease own = pool.lease_kept(Trust::kept, &f.one);
  CHECK(own);
  CHECK_FALSE(pool.lease_kept(Trust::kept, &f.one));
  Lease shared = pool.lease_kept(Trust::kept, nullptr);
  CHECK(shared);
  CHECK(pool.idle_count() == 0);
}

TEST_CASE("a client's connection to one server is not leased for another") {
  Fixture f;
  f.make_pool();
  upstream::ServerPool other(f.context, f.settings);
  f.use_new_connection(&f.one);
  CHECK_FALSE(other.lease_kept(Trust::kept, &f.one));
  CHECK(f.pool->lease_kept(Trust::kept, &f.one));
}

TEST_CASE("a client's idle connections end with it, and count within the pool's limit until then") {
  Fixture f;
  f.settings.connections = 2;
  upstream::ServerPool& pool = f.make_pool();
  auto client = std::make_unique<PrivateConnections>(Fixture::client("192.0.2.9", 9));
  f.use_new_connection(client.get());
  f.use_new_connection(&f.one);
  f.use_new_connection(&f.two);
  CHECK(pool.idle_count() == 2);
  CHECK(f.is_closed(f.servers[2]));
  client.reset();
  CHECK(pool.idle_count() == 1);
  CHECK(f.is_closed(f.servers[0]));
  CHECK(pool.lease_kept(Trust::kept, &f.one));
}

TEST_CASE("a client's connections end with the pool, when idle for too long, and when the server closes") {
  Fixture f;
  f.settings.idle = std::chrono::milliseconds(20);
  upstream::ServerPool& pool = f.make_pool();
  f.use_new_connection(&f.one);
  SUBCASE("pool") {
    f.pool.reset();
  }
  SUBCASE("idle") {
    CHECK(test::run_until(f.loop, [&] { return pool.idle_count() == 0; }));
    CHECK_FALSE(pool.lease_kept(Trust::kept, &f.one));
  }
  SUBCASE("closed") {
    f.servers[0].end_writing();
    CHECK(test::run_until(f.loop, [&] { return pool.idle_count() == 0; }));
    CHECK_FALSE(pool.lease_kept(Trust::kept, &f.one));
  }
  SUBCASE("all idle ones") {
    pool.close_idle();
    CHECK_FALSE(pool.lease_kept(Trust::kept, &f.one));
  }
  CHECK(f.is_closed(f.servers[0]));
}

TEST_CASE("a PROXY header that has left is no byte of the request") {
  Fixture f;
  upstream::ServerPool& pool = f.make_pool();
  Asking asking;
  asking.at_once = false;
  REQUIRE(pool.connect(asking, &f.one) == 0);
  REQUIRE(test::run_until(f.loop, [&] { return asking.stream.writer != nullptr; }));
  test::Peer server = f.listening.accept();
  REQUIRE(test::run_until(f.loop, [&] { return !server.receive().empty(); }));
  CHECK(server.received() == "PROXY TCP4 192.0.2.1 198.51.100.1 1001 443\r\n");
  CHECK(asking.lease.unprocessed());
  asking.ask();
  asking.stream.writer->flush();
  CHECK_FALSE(asking.lease.unprocessed());
}
