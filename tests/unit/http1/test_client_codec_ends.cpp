// Half-closed clients and tunnels: what a client's FIN means where.
#include <doctest/doctest.h>

#include <string>

#include "client_codec_fixture.hpp"

using namespace azulb;
using http::BodyKind;
using Fixture = test::ClientCodecFixture;

namespace {

constexpr std::string_view get_one = "GET /one HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view upgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
    "13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

void answer_all(Fixture& f) {
  f.when_opened = [&f](test::StreamRecorder& stream) {
    stream.when_ended = [&f, &stream] { f.reply(stream, 200, "ok"); };
  };
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

/// A tunnel that stands: the request has been answered with a 101.
test::StreamRecorder& switched(Fixture& f, std::string_view early = {}) {
  f.send(std::string(upgrade) + std::string(early));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request GET /ws; end");
  CHECK(f.streams[0].body.empty());
  http::ResponseHeadOut head;
  head.status = 101;
  head.reason = "Switching Protocols";
  head.upgrade = "websocket";
  f.streams[0].writer->write_response(head);
  return f.streams[0];
}

}  // namespace

TEST_CASE("a client that ends its side after its request still gets the answer, then the close") {
  Fixture f;
  f.send(get_one);
  f.client.end_writing();
  test::settle(f.loop);
  CHECK(f.streams[0].told() == "request GET /one; end");
  f.reply(f.streams[0], 200, "answer");
  CHECK(count(f.answers(), "answer") == 1);
  CHECK(f.is_closed());
}

TEST_CASE("a client that ended its side and is not answered in time is given up") {
  Fixture f;
  f.settings.half_close_grace = f.timeout(20);
  f.send(get_one);
  f.client.end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.streams[0].events.size() == 3; }));
  CHECK(f.streams[0].told() == "request GET /one; end; closed");
}

TEST_CASE("an end between requests closes the connection") {
  Fixture f;
  SUBCASE("before the first") {
    f.client.end_writing();
  }
  SUBCASE("after one") {
    answer_all(f);
    f.send(get_one);
    f.client.end_writing();
  }
  SUBCASE("within a head") {
    f.send("GET / HT");
    f.client.end_writing();
  }
  CHECK(f.is_closed());
  CHECK(f.closed == 1);
}

TEST_CASE("requests pipelined before the client's end are all answered, then the connection closes") {
  Fixture f;
  std::string requests;
  for (int number = 0; number < 3; ++number)
    requests += get_one;
  SUBCASE("each later") {
    f.send(requests);
    f.client.end_writing();
    for (std::size_t number = 0; number < 3; ++number) {
      test::settle(f.loop);
      REQUIRE(f.streams.size() == number + 1);
      f.reply(f.streams[number], 200, "ok");
      f.loop.gather().flush();
    }
  }
  // What was left of the client's bytes once looked like another request to come, and the connection stayed.
  SUBCASE("the first later, the rest on the spot") {
    f.send(requests);
    f.client.end_writing();
    test::settle(f.loop);
    answer_all(f);
    f.reply(f.streams[0], 200, "ok");
  }
  SUBCASE("with the rest of a head behind them, which will not come") {
    f.send(requests + "GET / HT");
    f.client.end_writing();
    test::settle(f.loop);
    answer_all(f);
    f.reply(f.streams[0], 200, "ok");
  }
  const std::string answers = f.answers();
  CHECK(count(answers, "HTTP/1.1 200 Test") == 3);
  CHECK(f.is_closed());
  CHECK(f.closed == 1);
}

TEST_CASE("after a 101 the bytes that came early are passed on first, then bytes go both ways") {
  Fixture f;
  test::StreamRecorder& stream = switched(f, "early");
  CHECK(f.answers() ==
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  CHECK(stream.body == "early");
  f.send(" and late");
  CHECK(stream.body == "early and late");
  stream.writer->write_body(std::string_view("back"));
  CHECK(f.answers() == "back");
}

TEST_CASE("a tunnel's half-closes pass each way, and it ends with the second") {
  Fixture f;
  test::StreamRecorder& stream = switched(f);
  f.answers();
  SUBCASE("the client first") {
    f.send("last");
    f.client.end_writing();
    test::settle(f.loop);
    CHECK(stream.told() == "request GET /ws; end; end");
    CHECK(stream.body == "last");
    CHECK(f.closed == 0);
    stream.writer->write_body(std::string_view("answer"));
    stream.writer->write_end({});
    CHECK(f.answers() == "answer");
  }
  SUBCASE("the server first") {
    stream.writer->write_body(std::string_view("answer"));
    stream.writer->write_end({});
    CHECK(f.answers() == "answer");
    CHECK(f.client.ended());
    CHECK(f.closed == 0);
    f.send("last");
    CHECK(stream.body == "last");
    f.client.end_writing();
    test::settle(f.loop);
    CHECK(stream.told() == "request GET /ws; end; end");
  }
  CHECK(f.is_closed());
  CHECK(f.closed == 1);
}

TEST_CASE("an upgrade that is refused goes on as an ordinary exchange") {
  Fixture f;
  f.send(std::string(upgrade) + std::string(get_one));
  f.reply(f.streams[0], 403, "no");
  test::settle(f.loop);
  REQUIRE(f.streams.size() == 2);
  CHECK(f.streams[1].told() == "request GET /one; end");
}
