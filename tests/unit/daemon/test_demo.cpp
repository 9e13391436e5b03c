// The demo's replicas over real sockets, with plain blocking clients.
#include "azulb/daemon/demo.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "../support/loopback_client.hpp"

using namespace azulb;
using test::contains;
using Client = test::LoopbackClient;

namespace {

struct Replicas {
  daemon::DemoReplicas demo;
  explicit Replicas(std::size_t count = 1) { REQUIRE(demo.start(count)); }
  std::string ask(std::string_view request_line, std::size_t replica = 0) {
    Client client(demo.addresses()[replica]);
    client.send(std::string(request_line) +
                " HTTP/1.1\r\nHost: x\r\nX-Request-ID: abc\r\nConnection: close\r\n\r\n");
    return client.take_all();
  }
};

constexpr std::uint8_t opcode_continuation = 0, opcode_text = 1, opcode_binary = 2, opcode_close = 8,
                       opcode_ping = 9;
constexpr std::uint8_t fin = 0x80;

/// A masked client frame (RFC 6455 section 5.2). `first`: FIN, reserved bits and opcode.
std::string frame(int first, std::string_view payload) {
  std::string bytes(1, static_cast<char>(first));
  if (payload.size() < 126) {
    bytes += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() < 65536) {
    bytes += static_cast<char>(0x80 | 126);
    for (int shift : {8, 0})
      bytes += static_cast<char>(payload.size() >> shift);
  } else {
    bytes += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes += static_cast<char>(payload.size() >> shift);
  }
  constexpr std::string_view mask = "\x12\x34\x56\x78";
  bytes += mask;
  for (std::size_t index = 0; index < payload.size(); ++index)
    bytes += static_cast<char>(payload[index] ^ mask[index % mask.size()]);
  return bytes;
}

std::string close_payload(unsigned code) {
  return {static_cast<char>(code >> 8), static_cast<char>(code & 255)};
}

class WebsocketClient : public Client {
 public:
  using Client::Client;

  void open(std::string_view early = {}) {
    send(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
        "13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
        std::string(early));
    const std::string head = take_through("\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.1 101 "));
    CHECK(contains(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  }
  struct Frame {
    int first = 0;
    std::string payload;
  };
  Frame take_frame() {
    const std::string head = take(2);
    REQUIRE(head.size() == 2);
    const auto length_byte = static_cast<std::uint8_t>(head[1]);
    REQUIRE(length_byte < 128);  // a server's frame is not masked
    std::size_t size = length_byte;
    if (length_byte >= 126) {
      size = 0;
      for (const char byte : take(length_byte == 126 ? 2 : 8))
        size = size << 8 | static_cast<std::uint8_t>(byte);
    }
    return {static_cast<std::uint8_t>(head[0]), take(size)};
  }
  void expect(int first, std::string_view payload) {
    const Frame got = take_frame();
    CHECK(got.first == first);
    CHECK(got.payload == payload);
  }
};

}  // namespace

TEST_CASE("each replica has its own port and says which it is, with the request as it sees it") {
  Replicas replicas(3);
  std::set<std::uint16_t> ports;
  for (std::size_t index = 0; index < 3; ++index) {
    ports.insert(replicas.demo.addresses()[index].port());
    const std::string answer = replicas.ask("GET /?q=1", index);
    const std::string name = "replica-" + std::to_string(index + 1);
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(contains(answer, "X-Replica: " + name + "\r\n"));
    CHECK(contains(answer, "\r\n\r\n" + name + "\n"));
    CHECK(contains(answer, "  GET /?q=1 HTTP/1.1\n"));
    CHECK(contains(answer, "  X-Request-ID: abc\n"));
  }
  CHECK(ports.size() == 3);
}

TEST_CASE("a replica's health can be switched, by POST only, and is its own") {
  Replicas replicas(2);
  CHECK(replicas.ask("GET /health").starts_with("HTTP/1.1 200 "));
  CHECK(replicas.ask("GET /health/down").starts_with("HTTP/1.1 405 "));
  CHECK(replicas.ask("GET /health").starts_with("HTTP/1.1 200 "));
  CHECK(replicas.ask("POST /health/down").starts_with("HTTP/1.1 200 "));
  CHECK(replicas.ask("GET /health").starts_with("HTTP/1.1 503 "));
  CHECK(replicas.ask("GET /health", 1).starts_with("HTTP/1.1 200 "));
  CHECK(replicas.ask("POST /health/up").starts_with("HTTP/1.1 200 "));
  CHECK(replicas.ask("GET /health").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("a slow answer comes, and nonsense is refused") {
  Replicas replicas;
  CHECK(contains(replicas.ask("GET /slow?ms=20"), "This took 20 ms.\n"));
  for (const char* target :
       {"GET /slow?ms=", "GET /slow?ms=x", "GET /slow?ms=-1", "GET /slow?ms=99999999999999999999"}) {
    CAPTURE(target);
    CHECK(replicas.ask(target).starts_with("HTTP/1.1 400 "));
  }
}

TEST_CASE("a slow answer does not keep the replicas from stopping") {
  Replicas replicas;
  Client client(replicas.demo.addresses()[0]);
  client.send("GET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(replicas.ask("GET /health").starts_with("HTTP/1.1 200 "));
  replicas.demo.stop();
  replicas.demo.stop();
  CHECK(replicas.demo.addresses().empty());
}

TEST_CASE("any sensible status can be had") {
  Replicas replicas;
  CHECK(replicas.ask("GET /status/503").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(replicas.ask("GET /status/599").starts_with("HTTP/1.1 599 "));
  const std::string empty = replicas.ask("GET /status/204");
  CHECK(empty.starts_with("HTTP/1.1 204 "));
  CHECK_FALSE(contains(empty, "Content-Length"));
  for (const char* target :
       {"GET /status/", "GET /status/101", "GET /status/600", "GET /status/0200", "GET /status/2x0"}) {
    CAPTURE(target);
    CHECK(replicas.ask(target).starts_with("HTTP/1.1 400 "));
  }
  CHECK(replicas.ask("GET /other").starts_with("HTTP/1.1 404 "));
}

TEST_CASE("events go on coming") {
  Replicas replicas;
  Client client(replicas.demo.addresses()[0]);
  client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(contains(client.take_through("\r\n\r\n"), "Content-Type: text/event-stream\r\n"));
  CHECK(contains(client.take_through("data: event 1 from replica-1\n\n"), "id: 1\n"));
  CHECK(contains(client.take_through("data: event 2 from replica-1\n\n"), "id: 2\n"));
}

TEST_CASE("the WebSocket page wants an upgrade") {
  Replicas replicas;
  CHECK(replicas.ask("GET /ws").starts_with("HTTP/1.1 426 "));
}

TEST_CASE("the WebSocket echoes text and binary messages of every length coding, early ones too") {
  Replicas replicas;
  WebsocketClient client(replicas.demo.addresses()[0]);
  client.open(frame(fin | opcode_text, "early"));
  client.expect(fin | opcode_text, "early");
  for (const std::size_t size : {0, 1, 125, 126, 65535, 65536, 1 << 20}) {
    CAPTURE(size);
    const std::string payload(size, '\xfe');
    client.send(frame(fin | opcode_binary, payload));
    client.expect(fin | opcode_binary, payload);
  }
}

TEST_CASE("the WebSocket joins fragments and answers a ping between them") {
  Replicas replicas;
  WebsocketClient client(replicas.demo.addresses()[0]);
  client.open();
  client.send(frame(opcode_text, "one ") + frame(fin | opcode_ping, "are you there") +
              frame(opcode_continuation, "two ") + frame(fin | opcode_continuation, "three"));
  client.expect(fin | 10, "are you there");
  client.expect(fin | opcode_text, "one two three");
}

TEST_CASE("the WebSocket takes bytes one at a time") {
  Replicas replicas;
  WebsocketClient client(replicas.demo.addresses()[0]);
  client.open();
  const std::string bytes = frame(fin | opcode_text, std::string(200, 'b'));
  for (const char byte : bytes)
    client.send(std::string_view(&byte, 1));
  client.expect(fin | opcode_text, std::string(200, 'b'));
}

TEST_CASE("the WebSocket closes in turn, with the client's code, and ends the connection") {
  Replicas replicas;
  WebsocketClient client(replicas.demo.addresses()[0]);
  client.open();
  client.send(frame(fin | opcode_close, close_payload(1000)));
  client.expect(fin | opcode_close, close_payload(1000));
  CHECK(client.take_all().empty());
}

TEST_CASE("the WebSocket tells which rule was broken") {
  struct Broken {
    std::string what;
    std::string bytes;
    unsigned code;  // 0: a close frame without code, as wslay answers a frame that it cannot take apart
  };
  const Broken table[] = {
      {"an unmasked frame (RFC 6455 section 5.1)", std::string("\x81\x02hi", 4), 1002},
      {"a reserved bit (section 5.2)", frame(fin | 0x40 | opcode_text, "x"), 1002},
      {"a reserved opcode (section 5.2)", frame(fin | 3, "x"), 1002},
      {"a continuation of nothing (section 5.4)", frame(fin | opcode_continuation, "x"), 1002},
      {"a message within a message (section 5.4)", frame(opcode_text, "x") + frame(fin | opcode_text, "y"),
       1002},
      {"a fragmented ping (section 5.5)", frame(opcode_ping, "x"), 0},
      {"a ping over 125 bytes (section 5.5)", frame(fin | opcode_ping, std::string(126, 'x')), 0},
      {"text that is not UTF-8 (section 8.1)", frame(fin | opcode_text, "\xff"), 1007},
      {"a message that is too large", frame(fin | opcode_binary, std::string((1 << 20) + 1, 'x')), 1009},
  };
  Replicas replicas;
  for (const Broken& broken : table) {
    CAPTURE(broken.what);
    WebsocketClient client(replicas.demo.addresses()[0]);
    client.open();
    client.send(broken.bytes);
    const WebsocketClient::Frame got = client.take_frame();
    CHECK(got.first == (fin | opcode_close));
    CHECK(got.payload.substr(0, 2) == (broken.code == 0 ? "" : close_payload(broken.code)));
    CHECK(client.take_all().empty());
  }
}

TEST_CASE("the WebSocket stops reading from a client that does not read, and goes on when it does") {
  Replicas replicas;
  WebsocketClient client(replicas.demo.addresses()[0]);
  client.open();
  // Less than the kernel's buffers take, so that sending does not block; more than azulb's own queue.
  const std::string payload(32 * 1024, 'p');
  constexpr int count = 64;
  for (int index = 0; index < count; ++index)
    client.send(frame(fin | opcode_binary, payload));
  for (int index = 0; index < count; ++index)
    client.expect(fin | opcode_binary, payload);
}

TEST_CASE("the demo's configuration fronts every replica") {
  Replicas replicas(3);
  const auto config = daemon::demo_config("127.0.0.1:8080", "127.0.0.1:9901", replicas.demo.addresses());
  REQUIRE(config);
  REQUIRE(config->upstreams.size() == 1);
  const config::Upstream& upstream = config->upstreams.front();
  REQUIRE(upstream.servers.size() == 3);
  for (std::size_t index = 0; index < 3; ++index) {
    CHECK(upstream.servers[index].name == "replica-" + std::to_string(index + 1));
    const auto resolved = base::resolve(upstream.servers[index].address, false);
    REQUIRE(resolved);
    CHECK(resolved->front() == replicas.demo.addresses()[index]);
  }
  REQUIRE(config->routes.size() == 1);
  CHECK(config->routes.front().upstream == upstream.name);
  CHECK(config->listeners.front().address.front().port == 8080);
  CHECK(config->admin->address.port == 9901);
  REQUIRE(upstream.health);
  CHECK(upstream.health->path == "/health");
}

TEST_CASE("the demo's configuration says what is wrong with an address") {
  const auto config = daemon::demo_config("nowhere", "127.0.0.1:9900", {base::SocketAddress::from_ip({}, 1)});
  REQUIRE_FALSE(config);
  CHECK(config.error().front().key.starts_with("listener.demo.address"));
}

TEST_CASE("the demo's text names addresses that can be typed") {
  Replicas replicas(3);
  const auto& addresses = replicas.demo.addresses();
  const std::string text = daemon::demo_text("0.0.0.0:8081", "[::]:9900", addresses);
  CHECK(contains(text, "curl http://127.0.0.1:8081/\n"));
  CHECK(contains(text, "ws://127.0.0.1:8081/ws"));
  CHECK(contains(text, "curl http://[::1]:9900/metrics\n"));
  for (const base::SocketAddress& address : addresses)
    CHECK(contains(text, address.text()));
  CHECK(contains(daemon::demo_text("unix:/run/a.sock", "127.0.0.1:9900", addresses),
                 "curl --unix-socket /run/a.sock http://localhost/\n"));
}
