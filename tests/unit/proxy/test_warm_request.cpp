#include <doctest/doctest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/http2_frames.hpp"
#include "../support/sockets.hpp"
#include "allocation_counter.hpp"
#include "azulb/base/line_sink.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/request_summary.hpp"
#include "azulb/proxy/worker.hpp"
#include "azulb/upstream/server_connection.hpp"

using namespace azulb;

namespace {

constexpr std::string_view response =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

struct Shape {
  config::Protocol protocol = config::Protocol::http1;
  int proxy_protocol = 0;
};

config::Config one_server(const base::SocketAddress& server, const Shape& shape) {
  config::Config config;
  config::Listener& listener = config.listeners.emplace_back();
  listener.name = "http";
  config::Upstream& upstream = config.upstreams.emplace_back();
  upstream.name = "app";
  upstream.protocol = shape.protocol;
  upstream.proxy_protocol = shape.proxy_protocol;
  config::Server& target = upstream.servers.emplace_back();
  target.name = server.text();
  target.address = *base::parse_host_port(server.text());
  config::Route& route = config.routes.emplace_back();
  route.name = "default";
  route.upstream = "app";
  return config;
}

discovery::ServerLists lists_of(const base::SocketAddress& server) {
  return {
      {"app", {{.name = server.text(), .address = server, .host = "", .weight = 1, .source = "servers"}}}};
}

/// A worker on this thread, between a client and a server that the test drives by hand.
struct Fixture {
  explicit Fixture(const Shape& to_server = {})
      : shape(to_server),
        snapshot(*proxy::Snapshot::build(one_server(server.address(), shape), lists_of(server.address()))),
        metrics(std::make_shared<proxy::WorkerMetrics>(snapshot->metric_labels().shape())),
        bound(*net::BoundSocket::bind(*first(base::resolve({.host = "127.0.0.1"}, true)), 16, false)),
        sink(*base::LineSink::open("/dev/null")),
        worker(loop, shared, nullptr) {
    proxy::AccessLog log(*proxy::AccessLogFormat::compile("json"), {1.0, base::Random(1)},
                         &sink->add_producer());
    worker.apply({.snapshot = snapshot,
                  .metrics = metrics,
                  .access_log = std::move(log),
                  .sockets = {{{1, bound.address(), false, dup(bound.descriptor())}}},
                  .open_sockets = {1}});
  }
  ~Fixture() {
    worker.abort_all();
    test::settle(loop);
  }

  static const base::SocketAddress* first(const base::Result<std::vector<base::SocketAddress>>& addresses) {
    static base::SocketAddress address;
    address = addresses->front();
    return &address;
  }

  const Shape shape;
  test::Server server;
  net::Loop loop;
  std::shared_ptr<proxy::Snapshot> snapshot;
  std::shared_ptr<proxy::WorkerMetrics> metrics;
  proxy::SharedState shared;
  net::BoundSocket bound;
  std::unique_ptr<base::LineSink> sink;
  proxy::Worker worker;
};

/// Reads until so many bytes have come, into storage that is there already.
std::size_t read_bytes(net::Loop& loop, int descriptor, std::size_t wanted) {
  static char storage[64 * 1024];
  std::size_t received = 0;
  for (int turn = 0; turn < 1000 && received < wanted; ++turn) {
    loop.run_once(std::chrono::milliseconds(1));
    const ssize_t count = recv(descriptor, storage + received, sizeof storage - received, MSG_DONTWAIT);
    if (count > 0) received += static_cast<std::size_t>(count);
  }
  return received;
}

std::uint32_t stream_of(int turn) {
  return 2 * static_cast<std::uint32_t>(turn) + 1;
}

/// The server's side of one turn: until the request has come, then the answer.
void answer(Fixture& f, test::Peer& app, int turn) {
  const bool http2 = f.shape.protocol == config::Protocol::http2;
  if (http2 && turn == 0) {
    app.send(test::frame(test::settings_frame, 0, 0, ""));
    test::settle(f.loop);
  }
  const std::size_t least_bytes = http2 ? 10 : 101;
  REQUIRE(read_bytes(f.loop, app.descriptor(), least_bytes) >= least_bytes);
  if (!http2) {
    REQUIRE(app.send(response) == response.size());
    return;
  }
  // :status 200, and content-type and content-length as literals that are not indexed.
  const std::string_view head(
      "\x88\x0f\x10\x0a"
      "text/plain\x0f\x0d\x01"
      "5",
      18);
  char bytes[64];
  std::size_t size = 0;
  const auto add = [&](std::string_view more) { size += more.copy(bytes + size, sizeof bytes - size); };
  const auto stream = static_cast<char>(stream_of(turn));
  add({"\0\0\x12\x01\x04\0\0\0", 8});
  add({&stream, 1});
  add(head);
  add({"\0\0\x05\0\x01\0\0\0", 8});
  add({&stream, 1});
  add("hello");
  REQUIRE(app.send({bytes, size}) == size);
}

/// What the requests of one connection allocate, after the first 20. `request(turn)` makes their bytes; an
/// answer has at least `answer_bytes`.
template <typename MakeRequest>
std::uint64_t warm_allocations(Fixture& f, MakeRequest&& request, std::size_t answer_bytes) {
  const test::Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(client.get(), f.bound.address().get(), f.bound.address().length()) == 0);
  std::unique_ptr<test::Peer> app;
  std::uint64_t allocated = 0;
  constexpr int warm_up = 20;
  for (int turn = 0; turn < warm_up + 100; ++turn) {
    const std::string bytes = request(turn);
    const std::uint64_t before = test::allocation_count();
    REQUIRE(send(client.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    if (app == nullptr) {
      test::settle(f.loop);
      app = std::make_unique<test::Peer>(f.server.accept());
    }
    answer(f, *app, turn);
    REQUIRE(read_bytes(f.loop, client.get(), answer_bytes) >= answer_bytes);
    if (turn >= warm_up) allocated += test::allocation_count() - before;
  }
  if (test::allocations_are_counted()) CHECK(test::allocation_count() > 0);
  CHECK(f.metrics->server(0, 0).connections_opened.value() == 1);
  return allocated;
}

}  // namespace

TEST_CASE("a warm keep-alive request allocates nothing, from its first byte to its log line") {
  Shape shape;
  SUBCASE("over a connection that is anybody's") {}
  SUBCASE("over one that began with the client's PROXY header") {
    shape.proxy_protocol = 2;
  }
  SUBCASE("to an HTTP/2 server") {
    shape.protocol = config::Protocol::http2;
  }
  Fixture f(shape);
  const auto request = [](int) {
    return std::string(
        "GET /a/path?with=a-query HTTP/1.1\r\nHost: example.com\r\nUser-Agent: a test\r\nAccept: */*\r\n"
        "Cookie: one=1; two=2\r\nReferer: http://example.com/\r\n\r\n");
  };
  CHECK(warm_allocations(f, request, response.size() + 1) == 0);
}

TEST_CASE("a warm request over HTTP/2 allocates nothing either") {
  Shape shape;
  SUBCASE("to an HTTP/1 server") {}
  SUBCASE("to an HTTP/2 server") {
    shape.protocol = config::Protocol::http2;
  }
  Fixture f(shape);
  const auto request = [](int turn) {
    std::string bytes;
    if (turn == 0) bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9);
    // GET http /, :authority and two fields as literals that are not indexed; END_STREAM and END_HEADERS.
    const std::string block =
        "\x82\x86\x84\x01\x06"
        "a.test" +
        std::string("\0\x06", 2) +
        "cookie"
        "\x05"
        "one=1" +
        std::string("\0\x06", 2) +
        "x-test"
        "\x05"
        "value";
    bytes += std::string("\0\0", 2) + static_cast<char>(block.size()) + '\1' + '\5' + std::string(2, '\0');
    const std::uint32_t stream = stream_of(turn);
    bytes += static_cast<char>(stream >> 8);
    bytes += static_cast<char>(stream);
    return bytes + block;
  };
  constexpr std::size_t frame_head_bytes = 9;
  CHECK(warm_allocations(f, request, 2 * frame_head_bytes + 6) == 0);
}

TEST_CASE("what an idle WebSocket keeps, its two connections and its exchange, fits into 1,600 bytes") {
  // Beside it there is nothing: buffers go back when they are empty. What few exchanges, connections or
  // tunnels need lies outside of these objects, made when it is needed.
  const std::size_t held_bytes = sizeof(proxy::ClientConnection) + sizeof(proxy::Exchange) +
                                 sizeof(upstream::ServerConnection) + sizeof(proxy::RequestSummary);
  if (test::allocations_are_counted()) CHECK(held_bytes <= 1600);
}
