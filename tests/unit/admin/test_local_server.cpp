// The local server over real sockets: the server on a thread of its own, plain blocking clients here.
#include "azulb/admin/local_server.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../support/loopback_client.hpp"

using namespace azulb;
using test::contains;
using Client = test::LoopbackClient;
using namespace std::chrono_literals;

namespace {

/// A count that another thread waits for.
class Signal {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool wait(int count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

/// Sends what it gets back, until the client ends.
class EchoStream final : public admin::LocalStream {
 public:
  EchoStream(admin::LocalExchange& exchange, Signal& closed) : exchange_(exchange), closed_(closed) {}
  void on_bytes(std::span<const char> bytes) override {
    exchange_.write(std::string_view(bytes.data(), bytes.size()));
  }
  void on_end() override { exchange_.end(); }
  void on_closed() override { closed_.raise(); }

 private:
  admin::LocalExchange& exchange_;
  Signal& closed_;
};

/// Fills the client's queue and counts how often there was room again.
class FloodStream final : public admin::LocalStream {
 public:
  FloodStream(admin::LocalExchange& exchange, std::size_t total_bytes)
      : exchange_(exchange), left_(total_bytes) {}
  void on_writable() override {
    const std::string block(16 * 1024, 'f');
    while (left_ > 0) {
      if (!exchange_.write(std::string_view(block).substr(0, left_))) return;
      left_ -= std::min(left_, block.size());
    }
    exchange_.end();
  }
  void on_closed() override {}

 private:
  admin::LocalExchange& exchange_;
  std::size_t left_;
};

class LaterStream final : public admin::LocalStream {
 public:
  LaterStream(admin::LocalExchange& exchange, Signal& closed) : exchange_(exchange), closed_(closed) {
    exchange.loop().timers().list(5ms).start(timer_);
  }
  void on_closed() override { closed_.raise(); }

 private:
  void on_timeout() { exchange_.respond({.body = "later\n"}); }
  admin::LocalExchange& exchange_;
  Signal& closed_;
  net::MemberTimer<LaterStream, &LaterStream::on_timeout> timer_{*this};
};

class SilentStream final : public admin::LocalStream {
 public:
  explicit SilentStream(Signal& closed) : closed_(closed) {}
  void on_closed() override { closed_.raise(); }

 private:
  Signal& closed_;
};

class Pages final : public admin::LocalHandler {
 public:
  Signal handled;
  Signal closed;

  void handle(admin::LocalExchange& exchange) override {
    const std::string_view path = exchange.request().info.target.path;
    if (path == "/echo") {
      const http::Field fields[] = {http::make_field("X-Own", "yes")};
      exchange.respond({.body = exchange.body(), .fields = fields});
    } else if (path == "/large") {
      exchange.respond({.body = std::string(8 << 20, 'x')});
    } else if (path == "/empty") {
      exchange.respond({.status = 204, .content_type = {}});
    } else if (path == "/later") {
      exchange.attach(std::make_unique<LaterStream>(exchange, closed));
    } else if (path == "/events") {
      exchange.attach(std::make_unique<SilentStream>(closed));
      if (exchange.begin({.content_type = "text/event-stream", .body = "data: first\n\n"})) {
        exchange.write("data: second\n\n");
      }
    } else if (path == "/flood") {
      auto stream = std::make_unique<FloodStream>(exchange, 8u << 20);
      FloodStream& flood = *stream;
      exchange.attach(std::move(stream));
      if (exchange.begin({})) flood.on_writable();
    } else if (path == "/upgrade" && !exchange.request().info.upgrade.empty()) {
      exchange.attach(std::make_unique<EchoStream>(exchange, closed));
      exchange.upgrade();
    } else if (path == "/abort") {
      exchange.attach(std::make_unique<SilentStream>(closed));
      exchange.begin({.body = "half"});
      exchange.abort();
    } else if (path != "/nothing") {
      exchange.respond({.status = 404, .body = "no\n"});
    }
    handled.raise();
  }
};

class Server {
 public:
  explicit Server(admin::LocalServerSettings settings = {}, const char* address = "127.0.0.1:0")
      : socket_(bind(address)), server_(loop_, pages, std::move(settings)) {
    server_.listen(socket_);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Server() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    loop_.post([this] {
      server_.stop();
      loop_.stop();
    });
    thread_.join();
  }
  const base::SocketAddress& address() const { return socket_.address(); }
  std::size_t connections() {
    std::size_t count = 0;
    Signal done;
    loop_.post([&] {
      count = server_.connection_count();
      done.raise();
    });
    REQUIRE(done.wait());
    return count;
  }
  std::string ask(std::string_view request) {
    Client client(address());
    client.send(request);
    return client.take_all();
  }

  Pages pages;

 private:
  static net::BoundSocket bind(const char* address) {
    const auto resolved = base::resolve(*base::parse_host_port(address), true);
    return std::move(*net::BoundSocket::bind(resolved->front(), 64, false));
  }
  net::Loop loop_;
  net::BoundSocket socket_;
  admin::LocalServer server_;
  std::thread thread_;
};

constexpr std::string_view close_after = "Host: x\r\nConnection: close\r\n\r\n";

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\n" + std::string(close_after);
}

}  // namespace

TEST_CASE("the local server answers with status, length, type, date and own fields") {
  Server server;
  const std::string answer =
      server.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  for (const char* part :
       {"Server: azulb\r\n", "Content-Type: text/plain; charset=utf-8\r\n", "Content-Length: 5\r\n",
        "X-Own: yes\r\n", "Date: ", " GMT\r\n", "\r\n\r\nhello"}) {
    CAPTURE(part);
    CHECK(contains(answer, part));
  }
}

TEST_CASE("the local server keeps a connection and answers pipelined requests in order") {
  Server server;
  Client client(server.address());
  client.send(
      "GET /empty HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\nGET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  client.send(get("/other"));
  const std::string answer = client.take_all();
  const std::size_t first = answer.find("204 No Content"), second = answer.find("\r\n\r\nonetwo");
  const std::size_t third = answer.find("\r\n\r\nlater\n"), fourth = answer.find("404 Not Found");
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third < fourth);
  CHECK(fourth != std::string::npos);
}

TEST_CASE("the local server sends HEAD no body") {
  Server server;
  const std::string answer = server.ask("HEAD /large HTTP/1.1\r\n" + std::string(close_after));
  CHECK(contains(answer, "Content-Length: 8388608\r\n"));
  CHECK(answer.ends_with("\r\n\r\n"));
  const std::string events = server.ask("HEAD /events HTTP/1.1\r\n" + std::string(close_after));
  CHECK(events.ends_with("\r\n\r\n"));
}

TEST_CASE(
    "the local server refuses a body over its limit and keeps the client's bytes out of the next request") {
  Server server({.body_limit_bytes = 100});
  const std::string announced = server.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
  CHECK(announced.starts_with("HTTP/1.1 413 "));
  CHECK(contains(announced, "Connection: close\r\n"));
  std::string chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int index = 0; index < 20; ++index)
    chunked += "a\r\n0123456789\r\n";
  Client client(server.address());
  client.send(chunked + "0\r\n\r\n" + get("/echo"));
  client.end();
  const std::string answer = client.take_all();
  CHECK(answer.starts_with("HTTP/1.1 413 "));
  CHECK_FALSE(contains(answer, "200 OK"));
}

TEST_CASE("the local server asks for a body that waits for 100 Continue") {
  Server server;
  Client client(server.address());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: "
      "close\r\n\r\n");
  CHECK(client.take_through("\r\n\r\n").starts_with("HTTP/1.1 100 Continue\r\n"));
  client.send("ok");
  CHECK(client.take_all().ends_with("\r\n\r\nok"));
}

TEST_CASE("the local server refuses malformed requests and bodies") {
  Server server;
  CHECK(server.ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
  CHECK(server.ask("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 405 "));
  CHECK(server.ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            .starts_with("HTTP/1.1 400 "));
}

TEST_CASE("the local server gives a request that nobody answers 500") {
  Server server;
  CHECK(server.ask(get("/nothing")).starts_with("HTTP/1.1 500 "));
}

TEST_CASE("the local server does not wait for a body or a head that does not come") {
  Server server({.header_timeout = 20ms, .body_timeout = 20ms, .idle_timeout = 20ms});
  CHECK(server.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
            .starts_with("HTTP/1.1 408 "));
  CHECK(server.ask("GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408 "));
  CHECK(server.ask("").empty());
}

TEST_CASE("a client that is slow to read gets a large answer whole") {
  Server server;
  Client client(server.address());
  client.send(get("/large"));
  REQUIRE(server.pages.handled.wait());
  const std::string answer = client.take_all();
  CHECK(answer.size() - answer.find("\r\n\r\n") - 4 == 8 << 20);
}

TEST_CASE("answers nobody takes are bounded") {
  Server server({.queued_limit_bytes = 12 << 20});
  Client hog(server.address());
  hog.send(get("/large"));
  REQUIRE(server.pages.handled.wait());
  CHECK(server.ask(get("/large")).starts_with("HTTP/1.1 503 "));
  CHECK(server.ask(get("/other")).starts_with("HTTP/1.1 404 "));
}

TEST_CASE("a streamed answer comes as it is written, and the stream learns that the client has left") {
  Server server({.half_close_grace = 20ms});
  {
    Client client(server.address());
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = client.take_through("second\n\n");
    CHECK(contains(answer, "Content-Type: text/event-stream\r\n"));
    CHECK(contains(answer, "Transfer-Encoding: chunked\r\n"));
    CHECK(contains(answer, "data: first\n\n"));
  }
  CHECK(server.pages.closed.wait());
}

TEST_CASE("a streamed answer waits for a client that is behind") {
  Server server;
  Client client(server.address());
  client.send("GET /flood HTTP/1.0\r\n\r\n");
  REQUIRE(server.pages.handled.wait());
  const std::string answer = client.take_all();
  CHECK(answer.size() - answer.find("\r\n\r\n") - 4 == 8 << 20);
}

TEST_CASE("an answer that is aborted does not look complete") {
  Server server;
  Client client(server.address());
  client.send("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(client.take_through("0\r\n\r\n").empty());
}

TEST_CASE("an upgraded connection passes bytes both ways, early ones too, and half-closes") {
  Server server;
  Client client(server.address());
  client.send(
      "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
      "websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly");
  const std::string answer = client.take_through("early");
  CHECK(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(contains(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  CHECK(contains(answer, "Upgrade: websocket\r\n"));
  CHECK(answer.ends_with("\r\n\r\nearly"));
  client.send("more");
  CHECK(client.take_through("more") == "more");
  client.end();
  CHECK(client.take_all().empty());
}

TEST_CASE("past the limit new connections wait until one is closed") {
  Server server({.connections_limit = 2, .half_close_grace = 20ms});
  auto first = std::make_unique<Client>(server.address());
  auto second = std::make_unique<Client>(server.address());
  for (Client* client : {first.get(), second.get()}) {
    client->send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    client->take_through("second");
  }
  Client third(server.address());
  third.send(get("/other"));
  CHECK(server.connections() == 2);
  first.reset();
  second.reset();
  CHECK(third.take_all().starts_with("HTTP/1.1 404 "));
}

TEST_CASE("past the limit an idle connection makes room") {
  Server server({.connections_limit = 2, .idle_timeout = 1h});
  Client first(server.address());
  Client second(server.address());
  for (Client* client : {&first, &second}) {
    client->send("GET /other HTTP/1.1\r\nHost: x\r\n\r\n");
    client->take_through("no\n");
  }
  CHECK(server.ask(get("/other")).starts_with("HTTP/1.1 404 "));
  CHECK(first.take_all().empty());
}

TEST_CASE("stopping tells every stream") {
  Server server;
  Client client(server.address());
  client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  client.take_through("second");
  CHECK(server.connections() == 1);
  server.stop();
  CHECK(server.pages.closed.wait());
}

TEST_CASE("the local server serves unix sockets") {
  const std::string path = "/tmp/azulb-test-" + std::to_string(getpid()) + ".sock";
  Server server({}, ("unix:" + path).c_str());
  CHECK(server.ask(get("/other")).starts_with("HTTP/1.1 404 "));
}
