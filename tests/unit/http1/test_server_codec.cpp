#include "azulb/http1/server_codec.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "../support/sockets.hpp"
#include "../support/stream_recorder.hpp"

using namespace azulb;
using http::BodyKind;

namespace {

struct Owner final : http::ServerCodecOwner {
  void on_connected() override { connected = true; }
  void on_connect_failure(int system_error) override { connect_error = system_error; }
  void write_preamble() override {}
  void on_idle_end() override { ++idle_ends; }
  bool connected = false;
  int connect_error = 0;
  int idle_ends = 0;
};

/// A codec connected to a server that the test plays.
struct Fixture {
  Fixture() {
    REQUIRE(connection.connect(listening.address()) == 0);
    REQUIRE(test::run_until(loop, [&] { return owner.connected; }));
    server.emplace(listening.accept());
  }
  ~Fixture() { connection.close(); }

  /// A stream with a request, whole unless it is to have a body.
  void write_request(std::string_view method = "GET", BodyKind body = BodyKind::none,
                     std::uint64_t length = 0, std::string_view upgrade = {}) {
    http::RequestHead head;
    head.method_name = method;
    head.method = http::method_of(method);
    http::RequestHeadOut out;
    out.head = &head;
    out.path = "/";
    out.host = "a";
    out.body = body;
    out.content_length = length;
    out.upgrade = upgrade;
    stream.events.clear();
    stream.body.clear();
    stream.writer = &codec.open_stream(stream);
    stream.writer->write_request(out);
    if (body == BodyKind::none) stream.writer->write_end({});
  }
  /// The same, on its way.
  void request(std::string_view method = "GET", BodyKind body = BodyKind::none, std::uint64_t length = 0,
               std::string_view upgrade = {}) {
    write_request(method, body, length, upgrade);
    stream.writer->flush();
  }
  /// What the server has received since the last call.
  std::string requests() {
    loop.gather().flush();
    CHECK(test::run_until(loop, [&] {
      server->drain();
      return !server->received().empty() || server->ended();
    }));
    std::string all = server->received();
    server->forget();
    return all;
  }
  void respond(std::string_view bytes) {
    REQUIRE(server->send(bytes) == bytes.size());
    test::settle(loop);
  }

  net::Loop loop;
  const test::Server listening;
  Owner owner;
  http1::CodecScratch scratch{256};
  test::StreamRecorder stream;
  net::Connection connection{loop, codec};
  http1::ServerCodec codec{connection, scratch, owner};
  std::optional<test::Peer> server;
};

}  // namespace

TEST_CASE("one connection carries one request and response after another") {
  Fixture f;
  CHECK(f.codec.reusable());
  for (int round = 0; round < 3; ++round) {
    f.request();
    CHECK_FALSE(f.codec.reusable());
    CHECK(f.requests() == "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    f.respond("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(f.stream.told() == "response 200; end");
    CHECK(f.stream.body == "hello");
    CHECK(f.codec.reusable());
  }
  CHECK(f.owner.idle_ends == 0);
}

TEST_CASE("a request's body is framed as its head says") {
  Fixture f;
  SUBCASE("length") {
    f.request("POST", BodyKind::length, 5);
    f.stream.writer->write_body(std::string_view("hel"));
    f.stream.writer->write_body(std::string_view("lo"));
    f.stream.writer->write_end({});
    CHECK(f.requests() == "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  }
  SUBCASE("chunked, with trailers") {
    f.request("POST", BodyKind::chunked);
    f.stream.writer->write_body(std::string_view("hello"));
    const http::Field trailer = http::make_field("T", "v");
    f.stream.writer->write_end({&trailer, 1});
    CHECK(f.requests() ==
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: v\r\n\r\n");
  }
  f.respond("HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(f.stream.told() == "response 204; end");
  CHECK(f.codec.reusable());
}

TEST_CASE("every split of a response is told the same") {
  struct Case {
    std::string_view bytes;
    std::string_view told;
    std::string_view body;
    bool reusable;
  };
  const std::vector<Case> cases = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: timeout=7\r\n\r\nhello", "response 200; end",
       "hello", true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;e=1\r\nhe\r\n03\r\nllo\r\n0\r\nT: v\r\n\r\n",
       "response 200; end T=v", "hello", true},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No "
       "Content\r\n\r\n",
       "interim 100; interim 103; response 204; end", "", true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n", "response 304; end", "", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "response 200; end", "ok",
       false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "response 200; end", "ok", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
       "malformed repeated_content_length", "", false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.bytes);
    for (std::size_t split = 1; split <= one.bytes.size(); ++split) {
      CAPTURE(split);
      Fixture f;
      f.request();
      f.respond(one.bytes.substr(0, split));
      if (split < one.bytes.size()) f.respond(one.bytes.substr(split));
      CHECK(f.stream.told() == one.told);
      CHECK(f.stream.body == one.body);
      CHECK(f.codec.reusable() == one.reusable);
    }
    Fixture f;
    f.request();
    for (const char byte : one.bytes)
      f.respond(std::string_view(&byte, 1));
    CHECK(f.stream.told() == one.told);
    CHECK(f.stream.body == one.body);
  }
}

TEST_CASE("a body until the close ends with it, and is a failure with a reset") {
  Fixture f;
  f.request();
  f.requests();  // bytes left unread would turn the close into a reset
  f.respond("HTTP/1.1 200 OK\r\n\r\nall ");
  f.respond("of it");
  CHECK(f.stream.told() == "response 200");
  SUBCASE("close") {
    f.server->close();
    CHECK(test::run_until(f.loop, [&] { return f.stream.events.size() == 2; }));
    CHECK(f.stream.told() == "response 200; end");
  }
  SUBCASE("reset") {
    f.server->reset();
    CHECK(test::run_until(f.loop, [&] { return f.stream.events.size() == 2; }));
    CHECK(f.stream.told() == "response 200; closed");
  }
  CHECK(f.stream.body == "all of it");
  CHECK_FALSE(f.codec.reusable());
}

TEST_CASE("a close before the end of a response is a failure, whatever was missing") {
  for (const std::string_view bytes :
       {"", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
    CAPTURE(bytes);
    Fixture f;
    f.request();
    f.requests();
    f.respond(bytes);
    f.server->close();
    CHECK(test::run_until(f.loop,
                          [&] { return !f.stream.events.empty() && f.stream.events.back() == "closed"; }));
    CHECK_FALSE(f.codec.reusable());
  }
}

TEST_CASE("an invalid response is a failure with its defect, and what follows is not told") {
  struct Case {
    std::string_view bytes;
    std::string_view told;
  };
  for (const Case& one : std::vector<Case>{
           {"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "malformed bare_lf"},
           {"SSH-2.0-OpenSSH\r\n", "malformed bad_version"},
           {"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", "malformed bad_content_length"},
           {"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            "malformed bad_upgrade_response"},
           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n",
            "response 200; malformed bad_chunk_size"},
       }) {
    CAPTURE(one.bytes);
    Fixture f;
    f.request();
    f.respond(one.bytes);
    CHECK(f.stream.told() == one.told);
    f.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    CHECK(f.stream.told() == one.told);
    CHECK_FALSE(f.codec.reusable());
  }
}

TEST_CASE("a stray body where none belongs is dropped, and the connection not used again") {
  Fixture f;
  SUBCASE("HEAD, announced: it may come later") {
    f.request("HEAD");
    f.respond("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    CHECK(f.stream.told() == "response 200; end");
    CHECK_FALSE(f.codec.reusable());
    f.respond("hello");
  }
  SUBCASE("HEAD, at once") {
    f.request("HEAD");
    f.respond("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  }
  SUBCASE("204") {
    f.request();
    f.respond("HTTP/1.1 204 No Content\r\n\r\nhello");
  }
  SUBCASE("bytes after a body's end") {
    f.request();
    f.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
  }
  CHECK(f.stream.events.size() == 2);
  CHECK(f.stream.events.back() == "end");
  CHECK(f.stream.body.empty());
  CHECK_FALSE(f.codec.reusable());
}

TEST_CASE("an answer to HEAD that announces no body leaves the connection usable") {
  Fixture f;
  f.request("HEAD");
  f.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(f.stream.told() == "response 200; end");
  CHECK(f.codec.reusable());
}

TEST_CASE("a response before the end of its request is told, and the connection not used again") {
  Fixture f;
  f.request("POST", BodyKind::length, 100);
  f.stream.writer->write_body(std::string_view("some"));
  f.requests();
  f.respond("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  CHECK(f.stream.told() == "response 413; end");
  CHECK_FALSE(f.codec.reusable());
}

TEST_CASE("an idle connection that the server closes or speaks on is told to its owner") {
  Fixture f;
  f.request();
  f.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=5, max=9\r\n\r\n");
  REQUIRE(f.codec.reusable());
  CHECK(f.codec.idle_hint_s() == 5);
  SUBCASE("closes") {
    f.server->close();
  }
  SUBCASE("resets") {
    f.server->reset();
  }
  SUBCASE("speaks") {
    f.server->send("HTTP/1.1 408 Request Timeout\r\n\r\n");
  }
  CHECK(test::run_until(f.loop, [&] { return f.owner.idle_ends > 0; }));
  CHECK(f.stream.told() == "response 200; end");
}

TEST_CASE("whether a byte of the request has reached the kernel is known") {
  Fixture f;
  f.stream.writer = &f.codec.open_stream(f.stream);
  CHECK(f.codec.nothing_sent());
  http::RequestHead head;
  head.method_name = "GET";
  head.method = http::Method::get;
  f.stream.writer->write_request(
      {.head = &head, .path_prefix = {}, .path = "/", .query = {}, .host = "a", .own = {}, .upgrade = {}});
  CHECK(f.codec.nothing_sent());
  f.stream.writer->flush();
  CHECK_FALSE(f.codec.nothing_sent());
}

TEST_CASE("a connection that cannot be made is told to its owner") {
  net::Loop loop;
  const test::Server refusing(false);
  Owner owner;
  http1::CodecScratch scratch(256);
  struct Unconnected {
    Unconnected(net::Loop& at, http1::CodecScratch& shared, Owner& told)
        : connection(at, codec), codec(connection, shared, told) {}
    net::Connection connection;
    http1::ServerCodec codec;
  } unconnected(loop, scratch, owner);
  const int at_once = unconnected.connection.connect(refusing.address());
  if (at_once == 0) {
    CHECK(test::run_until(loop, [&] { return owner.connect_error != 0; }));
    CHECK(owner.connect_error == ECONNREFUSED);
  } else {
    CHECK(at_once == ECONNREFUSED);
  }
  CHECK_FALSE(owner.connected);
  CHECK_FALSE(unconnected.codec.reusable());
}

TEST_CASE("a stream that is aborted in its callback is told nothing more") {
  Fixture f;
  f.request();
  f.stream.when_head = [&] { f.stream.writer->abort(); };
  f.respond("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  CHECK(f.stream.told() == "response 200");
  CHECK(f.stream.body.empty());
  CHECK_FALSE(f.connection.open());
}

TEST_CASE("a paused response waits, and goes on when resumed") {
  Fixture f;
  f.request();
  f.stream.when_body = [&] { f.stream.writer->pause_reading(); };
  f.respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
  CHECK(f.stream.body == "a");
  f.stream.writer->resume_reading();
  test::settle(f.loop);
  CHECK(f.stream.body == "ab");
  f.stream.writer->resume_reading();
  test::settle(f.loop);
  CHECK(f.stream.told() == "response 200; end");
  CHECK(f.codec.reusable());
}

TEST_CASE("after a 101 that was asked for, bytes pass both ways, the early ones first, and half-closes too") {
  Fixture f;
  f.request("GET", BodyKind::none, 0, "websocket");
  CHECK(f.requests() == "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  f.respond("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
  CHECK(f.stream.told() == "response 101");
  CHECK(f.stream.body == "early");
  f.stream.writer->write_body(std::string_view("up"));
  CHECK(f.requests() == "up");
  f.stream.writer->write_end({});
  CHECK(test::run_until(f.loop, [&] {
    f.server->drain();
    return f.server->ended();
  }));
  f.respond(" and late");
  CHECK(f.stream.body == "early and late");
  f.server->end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.stream.events.size() == 2; }));
  CHECK(f.stream.told() == "response 101; end");
  CHECK_FALSE(f.codec.reusable());
}

TEST_CASE("what comes on a used connection before its request has left is not taken for the answer") {
  Fixture f;
  f.request();
  f.requests();
  f.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(f.codec.reusable());
  f.write_request();
  f.loop.gather().settle();
  REQUIRE(f.codec.nothing_sent());
  f.respond("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  CHECK(f.stream.told() == "closed");
}
