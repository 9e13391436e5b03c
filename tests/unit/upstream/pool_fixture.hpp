// A pool of connections to a server that the test drives by hand.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../support/sockets.hpp"
#include "../support/stream_recorder.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::test {

struct Waiting final : upstream::ConnectHandler {
  using ConnectHandler::give_up;
  void on_connected(upstream::Lease given) override { lease = std::move(given); }
  void on_connect_failure(const upstream::ConnectFailure& told) override {
    failure = told.system_error;
    known = told.known;
    if (when_failed) when_failed();
  }
  upstream::Lease lease;
  int failure = 0;
  bool known = false;
  std::function<void()> when_failed;
};

inline constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

struct PoolFixture {
  PoolFixture() { settings.address = listening.address(); }
  ~PoolFixture() {
    pool.reset();
    settle(loop);
  }

  upstream::ServerPool& make_pool() { return pool.emplace(context, settings); }

  /// A new connection, whose far end is the last of `servers`.
  upstream::Lease connect() {
    Waiting waiting;
    REQUIRE(pool->connect(waiting) == 0);
    REQUIRE(run_until(loop, [&] { return static_cast<bool>(waiting.lease); }));
    servers.push_back(listening.accept());
    return std::move(waiting.lease);
  }
  /// A whole exchange on a leased connection.
  void exchange(upstream::Lease& lease, Peer& server, std::string_view response = ok) {
    http::RequestHead head;
    head.method_name = "GET";
    head.method = http::Method::get;
    http::RequestHeadOut out;
    out.head = &head;
    out.path = "/";
    out.host = "a";
    stream.events.clear();
    stream.writer = &lease.open_stream(stream);
    stream.writer->write_request(out);
    stream.writer->write_end({});
    stream.writer->flush();
    REQUIRE(run_until(loop, [&] { return !server.receive().empty(); }));
    REQUIRE(server.send(response) == response.size());
    REQUIRE(run_until(loop, [&] { return stream.events.size() == 2; }));
    CHECK(stream.told() == "response 200; end");
  }
  /// Until the server sees its connection closed.
  bool is_closed(Peer& server) {
    return run_until(loop, [&] {
      server.receive();
      return server.ended() || server.error() == ECONNRESET;
    });
  }

  net::Loop loop;
  const Server listening;
  upstream::OwnServerCodecs codecs;
  base::Slab<upstream::ServerConnection> connections;
  upstream::PoolContext context{loop, codecs.shared, connections};
  upstream::PoolSettings settings;
  std::optional<upstream::ServerPool> pool;
  std::deque<Peer> servers;
  StreamRecorder stream;
};

}  // namespace azulb::test
