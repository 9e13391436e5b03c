#include "azulb/http1/client_codec.hpp"

#include <doctest/doctest.h>

#include <string>

#include "client_codec_fixture.hpp"

using namespace azulb;
using http::BodyKind;
using Fixture = test::ClientCodecFixture;

namespace {

constexpr std::string_view get_one = "GET /one HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view get_two = "GET /two HTTP/1.1\r\nHost: a\r\n\r\n";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a request is told and ended, its response framed, and the connection carries the next") {
  Fixture f;
  CHECK(f.codec.idle());
  f.send(get_one);
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request GET /one; end");
  CHECK_FALSE(f.codec.idle());
  f.reply(f.streams[0], 200, "hello");
  CHECK(f.answers() == "HTTP/1.1 200 Test\r\nContent-Length: 5\r\n\r\nhello");
  CHECK(f.codec.idle());
  f.send(get_two);
  REQUIRE(f.streams.size() == 2);
  f.reply(f.streams[1], 404, "");
  CHECK(f.answers() == "HTTP/1.1 404 Test\r\nContent-Length: 0\r\n\r\n");
  CHECK_FALSE(f.is_closed());
}

TEST_CASE("a body of known length and a chunked one are told as bytes, with their end and trailers") {
  Fixture f;
  f.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
  CHECK(f.streams[0].told() == "request POST /a");
  f.send("lo");
  CHECK(f.streams[0].told() == "request POST /a; end");
  CHECK(f.streams[0].body == "hello");
  f.reply(f.streams[0], 200, "");
  f.send(
      "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: "
      "v\r\n\r\n");
  REQUIRE(f.streams.size() == 2);
  CHECK(f.streams[1].told() == "request POST /b; end T=v");
  CHECK(f.streams[1].body == "abcde");
}

TEST_CASE("a pipelined request waits until the response before it has ended") {
  Fixture f;
  f.send(std::string(get_one) + std::string(get_two));
  REQUIRE(f.streams.size() == 1);
  f.reply_head(f.streams[0], 200, BodyKind::chunked);
  f.streams[0].writer->write_body(std::string_view("1"));
  test::settle(f.loop);
  CHECK(f.streams.size() == 1);
  f.streams[0].writer->write_end({});
  f.loop.gather().flush();
  test::settle(f.loop);
  REQUIRE(f.streams.size() == 2);
  f.reply(f.streams[1], 200, "2");
  CHECK(f.answers() ==
        "HTTP/1.1 200 Test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n"
        "HTTP/1.1 200 Test\r\nContent-Length: 1\r\n\r\n2");
}

TEST_CASE("pipelined requests that are answered on the spot are all answered, in order") {
  Fixture f;
  f.when_opened = [&](test::StreamRecorder& stream) {
    stream.when_ended = [&] { f.reply(stream, 200, stream.request->head.target); };
  };
  std::string requests;
  std::string expected;
  for (int number = 0; number < 50; ++number) {
    const std::string target = "/" + std::to_string(number);
    requests += "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
    expected += "HTTP/1.1 200 Test\r\nContent-Length: " + std::to_string(target.size()) + "\r\n\r\n" + target;
  }
  f.send(requests);
  CHECK(f.answers() == expected);
}

TEST_CASE("pipelined requests without end are not read without end") {
  Fixture f;
  f.send(get_one);
  const std::string more(20'000, 'x');
  std::size_t sent = 0;
  for (int round = 0; round < 100; ++round) {
    sent += f.client.send(more);
    test::settle(f.loop);
  }
  CHECK(f.connection.unconsumed_bytes() < 128 * 1024);
  CHECK(sent > f.connection.unconsumed_bytes());
}

TEST_CASE("every split of a sequence of requests is told the same") {
  const std::string bytes =
      "\r\nPOST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: "
      "v\r\n\r\n"
      "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /last HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto check = [&](Fixture& f) {
    REQUIRE(f.streams.size() == 3);
    CHECK(f.streams[0].told() == "request POST /chunked; end T=v");
    CHECK(f.streams[0].body == "hello");
    CHECK(f.streams[1].told() == "request POST /length; end");
    CHECK(f.streams[1].body == "abc");
    CHECK(f.streams[2].told() == "request GET /last; end");
  };
  const auto answer_all = [](Fixture& f) {
    f.when_opened = [&f](test::StreamRecorder& stream) {
      stream.when_ended = [&f, &stream] { f.reply(stream, 200, "ok"); };
    };
  };
  for (std::size_t split = 1; split < bytes.size(); ++split) {
    CAPTURE(split);
    Fixture f;
    answer_all(f);
    f.send(std::string_view(bytes).substr(0, split));
    f.send(std::string_view(bytes).substr(split));
    check(f);
  }
  Fixture f;
  answer_all(f);
  for (const char byte : bytes)
    f.send(std::string_view(&byte, 1));
  check(f);
}

TEST_CASE("HTTP/1.0 closes after the response, unless the client asked to keep the connection") {
  Fixture f;
  SUBCASE("closes") {
    f.send("GET / HTTP/1.0\r\n\r\n");
    f.reply(f.streams[0], 200, "x");
    CHECK(f.answers() == "HTTP/1.1 200 Test\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
    CHECK(f.is_closed());
    CHECK(f.closed == 1);
  }
  SUBCASE("keeps") {
    f.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    f.reply(f.streams[0], 200, "x");
    CHECK(f.answers() == "HTTP/1.1 200 Test\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx");
    CHECK_FALSE(f.is_closed());
  }
  SUBCASE("knows no chunks: the body lasts until the close") {
    f.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    f.reply_head(f.streams[0], 200, BodyKind::chunked);
    f.streams[0].writer->write_body(std::string_view("bytes"));
    f.streams[0].writer->write_end({});
    CHECK(f.answers() == "HTTP/1.1 200 Test\r\nConnection: close\r\n\r\nbytes");
    CHECK(f.is_closed());
  }
}

TEST_CASE("a client that says close is closed after the response") {
  Fixture f;
  f.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  f.reply(f.streams[0], 200, "x");
  CHECK(contains(f.answers(), "Connection: close\r\n"));
  CHECK(f.is_closed());
}

TEST_CASE("an answer before the request's end closes the connection, and what follows is never a request") {
  Fixture f;
  f.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nGET /");
  f.reply(f.streams[0], 401, "no");
  CHECK(f.answers() == "HTTP/1.1 401 Test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  f.send(get_two);
  f.send(std::string(200, 'x'));
  f.send(get_two);
  CHECK(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request POST /");
  CHECK(f.client.ended());  // half-closed, so that the answer is not lost to a reset
  CHECK(f.connection.open());
  f.client.end_writing();
  CHECK(f.is_closed());
  CHECK(f.closed == 1);
}

TEST_CASE("a stream that is answered from within its body is told nothing more of it") {
  Fixture f;
  f.when_opened = [&](test::StreamRecorder& stream) {
    stream.when_body = [&] { f.reply(stream, 413, "no"); };
  };
  f.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
  CHECK(f.streams.size() == 1);
  CHECK(f.streams[0].body == "one");
  CHECK(f.streams[0].told() == "request POST /");
  CHECK(f.answers().starts_with("HTTP/1.1 413 Test\r\n"));
}

TEST_CASE("a client that ignores the close is cut off after the linger timeout") {
  Fixture f;
  f.settings.linger_timeout = f.timeout(20);
  f.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
  f.reply(f.streams[0], 401, "no");
  CHECK(test::run_until(f.loop, [&] { return f.closed == 1; }));
}

TEST_CASE("a malformed request is told with its defect, answered, and nothing after it is parsed") {
  Fixture f;
  f.send("GET /bad HTTP/1.1\nHost: a\r\n\r\n" + std::string(get_two));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "bad bare_lf");
  f.reply(f.streams[0], 400, "bad");
  CHECK(f.answers() == "HTTP/1.1 400 Test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad");
  f.send(get_two);
  CHECK(f.streams.size() == 1);
  f.client.end_writing();
  CHECK(f.is_closed());
}

TEST_CASE("a head whose rules are broken is told with its defect, behind a good one that is answered first") {
  Fixture f;
  f.send(std::string(get_one) +
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" +
         std::string(get_two));
  REQUIRE(f.streams.size() == 1);
  f.reply(f.streams[0], 200, "one");
  test::settle(f.loop);
  REQUIRE(f.streams.size() == 2);
  CHECK(f.streams[1].told() == "bad length_and_transfer_encoding");
  f.reply(f.streams[1], 400, "");
  const std::string answers = f.answers();
  CHECK(contains(answers, "200 Test"));
  CHECK(contains(answers, "400 Test"));
  CHECK(f.streams.size() == 2);
}

TEST_CASE("a malformed chunk is a failure that can still be answered, and the last of the connection") {
  Fixture f;
  f.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nZZ\r\n" +
         std::string(get_two));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request POST /; malformed bad_chunk_size");
  CHECK(f.streams[0].body == "a");
  f.reply(f.streams[0], 400, "");
  CHECK(contains(f.answers(), "Connection: close"));
  f.send(get_two);
  CHECK(f.streams.size() == 1);
}

TEST_CASE("a head that does not come in time is told, an idle connection is closed") {
  Fixture f;
  f.settings.header_timeout = f.timeout(20);
  SUBCASE("a slow head") {
    f.send("GET / HT");
    CHECK(test::run_until(f.loop, [&] { return !f.streams.empty(); }));
    CHECK(f.streams[0].told() == "bad timeout");
    f.reply(f.streams[0], 408, "");
    CHECK(contains(f.answers(), "408 Test"));
  }
  SUBCASE("idle") {
    f.settings.keepalive_timeout = f.timeout(20);
    f.send(get_one);
    f.reply(f.streams[0], 200, "");
    CHECK(test::run_until(f.loop, [&] { return f.closed == 1; }));
    CHECK(f.streams.size() == 1);
  }
}

TEST_CASE("interim responses go out at once, but not to HTTP/1.0") {
  Fixture f;
  SUBCASE("HTTP/1.1") {
    f.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    f.reply_head(f.streams[0], 100, BodyKind::none);
    f.client.drain();
    CHECK(f.client.received() == "HTTP/1.1 100 Test\r\n\r\n");
    f.client.forget();
    f.send("ok");
    CHECK(f.streams[0].told() == "request POST /; end");
  }
  SUBCASE("HTTP/1.0") {
    f.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    f.reply_head(f.streams[0], 103, BodyKind::none);
    f.client.drain();
    CHECK(f.client.received().empty());
  }
  f.reply(f.streams[0], 200, "");
  CHECK(contains(f.answers(), "HTTP/1.1 200 Test\r\n"));
  CHECK_FALSE(f.is_closed());
}

TEST_CASE("the answer to HEAD announces a length and has no body, and the connection stays") {
  Fixture f;
  f.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  f.reply_head(f.streams[0], 200, BodyKind::length, 5);
  f.streams[0].writer->write_body(std::string_view("stray"));
  f.streams[0].writer->write_end({});
  CHECK(f.answers() == "HTTP/1.1 200 Test\r\nContent-Length: 5\r\n\r\n");
  f.send(get_one);
  CHECK(f.streams.size() == 2);
}

TEST_CASE("a response that ends short of its length is a reset, not a clean end") {
  Fixture f(test::tcp_pair());
  f.send(get_one);
  f.reply_head(f.streams[0], 200, BodyKind::length, 10);
  f.streams[0].writer->write_body(std::string_view("short"));
  f.streams[0].writer->flush();
  f.streams[0].writer->write_end({});
  CHECK(f.closed == 1);
  f.client.drain();
  CHECK(f.client.error() == ECONNRESET);
}

TEST_CASE("abort resets the client's connection and says no more") {
  Fixture f(test::tcp_pair());
  f.send(get_one);
  f.streams[0].writer->abort();
  CHECK(f.closed == 1);
  f.client.drain();
  CHECK(f.client.error() == ECONNRESET);
  test::settle(f.loop);
  CHECK(f.streams[0].told() == "request GET /one; end");
}

// The codec once told it a second time when it closed the connection.
TEST_CASE("a client that resets is told to its stream, once, and closes the connection") {
  Fixture f(test::tcp_pair());
  f.send(get_one);
  f.client.reset();
  CHECK(test::run_until(f.loop, [&] { return f.closed == 1; }));
  CHECK(f.streams[0].told() == "request GET /one; end; closed");
}

TEST_CASE("a client that closes within a request's body is told") {
  Fixture f;
  f.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  f.client.end_writing();
  test::settle(f.loop);
  CHECK(f.streams[0].told() == "request POST /; closed");
}

TEST_CASE("draining closes an idle connection, and a busy one after its response") {
  Fixture f;
  f.send(get_one);
  SUBCASE("idle") {
    f.reply(f.streams[0], 200, "");
    f.codec.drain();
    CHECK(f.closed == 1);
  }
  SUBCASE("busy") {
    f.codec.drain();
    CHECK(f.closed == 0);
    f.reply(f.streams[0], 200, "x");
    CHECK(contains(f.answers(), "Connection: close"));
    CHECK(f.is_closed());
  }
}

TEST_CASE(
    "making room closes an idle connection, and leaves a busy one and one without a request as they are") {
  Fixture f;
  SUBCASE("no request yet") {
    f.codec.close_if_idle();
    CHECK(f.closed == 0);
  }
  SUBCASE("idle") {
    f.send(get_one);
    f.reply(f.streams[0], 200, "");
    f.codec.close_if_idle();
    CHECK(f.closed == 1);
  }
  SUBCASE("busy") {
    f.send(get_one);
    f.codec.close_if_idle();
    f.reply(f.streams[0], 200, "x");
    CHECK(!contains(f.answers(), "Connection: close"));
    CHECK(f.closed == 0);
  }
}

TEST_CASE("a paused stream gets no body until it is resumed") {
  Fixture f;
  f.when_opened = [](test::StreamRecorder& stream) {
    stream.when_body = [&stream] { stream.writer->pause_reading(); };
  };
  f.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
  CHECK(f.streams[0].body == "a");
  f.streams[0].writer->resume_reading();
  test::settle(f.loop);
  CHECK(f.streams[0].body == "ab");
  CHECK(f.streams[0].told() == "request POST /");
  f.streams[0].writer->resume_reading();
  test::settle(f.loop);
  CHECK(f.streams[0].told() == "request POST /; end");
}

TEST_CASE("a client that asks again is answered whatever the clients before it did") {
  Fixture f;
  for (int client = 0; client < 16; ++client)
    f.habit.closed_after_one_request();
  CHECK(f.habit.one_request_each());
  f.send(get_one);
  f.reply(f.streams[0], 200, "x");
  SUBCASE("it closes: as expected") {
    f.client.end_writing();
    CHECK(test::run_until(f.loop, [&] { return f.closed == 1; }));
    CHECK(f.habit.one_request_each());
  }
  SUBCASE("it asks again") {
    REQUIRE(f.client.send(get_one) == get_one.size());
    CHECK(test::run_until(f.loop, [&] { return f.streams.size() == 2; }));
    CHECK_FALSE(f.habit.one_request_each());
    f.reply(f.streams[1], 200, "y");
    CHECK(contains(f.answers(), "y"));
    f.send(get_one);  // watched by now
    CHECK(f.streams.size() == 3);
  }
}
