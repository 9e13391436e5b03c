#include <doctest/doctest.h>

#include "client_codec_fixture.hpp"

using namespace azulb;
using namespace azulb::test;

namespace {

std::uint64_t counted(const Http2Fixture& f, http::Flood kind) {
  return f.floods[static_cast<std::size_t>(kind)].value();
}

}  // namespace

TEST_CASE("a drain waits for what the client has begun, and then for the streams' ends") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  f.codec.drain();
  const std::vector<Received> frames = f.frames();
  REQUIRE(frames.size() == 2);
  const bool ping_first = frames[0].type == ping_frame;
  CHECK(frames[ping_first ? 1 : 0].payload == number(0x7FFFFFFF) + number(0));
  f.send(request(3) + frame(ping_frame, 1, 0, frames[ping_first ? 0 : 1].payload));
  REQUIRE(f.streams.size() == 2);
  const std::vector<Received> last = f.frames();
  REQUIRE(last.size() == 1);
  CHECK(last[0].payload == number(3) + number(0));
  f.reply(f.streams[0], 200, "one");
  settle(f.loop);
  CHECK_FALSE(f.client.ended());
  f.reply(f.streams[1], 200, "two");
  CHECK(f.answers() == "headers 1; data 1 3 end; headers 3; data 3 3 end");
  CHECK(f.client.ended());
  f.client.close();
  CHECK(run_until(f.loop, [&] { return f.closed == 1; }));
}

TEST_CASE("a client that does not answer the drain's PING is not waited for") {
  Http2Fixture f;
  f.settings.linger_timeout = f.timeout(20);
  f.begin();
  f.codec.drain();
  CHECK(run_until(f.loop, [&] { return f.closed == 1; }));
}

TEST_CASE("an idle connection is told goodbye") {
  Http2Fixture f;
  f.settings.keepalive_timeout = f.timeout(20);
  f.settings.linger_timeout = f.timeout(20);
  f.send(std::string(http2::client_preface) + frame(settings_frame, 0, 0, {}));
  f.send(request(1));
  f.reply(f.streams[0], 200, "");
  CHECK(run_until(f.loop, [&] { return f.closed == 1; }));
  CHECK(f.answers().find("goaway 0") != std::string::npos);
}

TEST_CASE("a response that says close lets no more requests begin") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  http::ResponseHeadOut head;
  head.close = true;
  f.streams[0].writer->write_response(head);
  f.streams[0].writer->write_end({});
  CHECK(f.answers().find("goaway 0") != std::string::npos);
  CHECK(f.client.ended());
}

TEST_CASE("a connection that its client has left fails every stream") {
  Http2Fixture f;
  f.settings.half_close_grace = f.timeout(20);
  f.begin();
  f.send(request(1) + post(3));
  f.client.close();
  CHECK(run_until(f.loop, [&] { return f.streams[1].told() == "request POST /; closed"; }));
}

TEST_CASE("breaking off ends streams and connection at once") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  f.codec.break_off();
  CHECK(f.streams[0].told() == "request GET /; end; closed");
  CHECK(f.closed == 1);
  f.codec.break_off();
  CHECK(f.closed == 1);
}

TEST_CASE("a stream whose client takes nothing is ended, and counted; others go on") {
  Http2Fixture f;
  f.settings.send_timeout = f.timeout(20);
  f.send(std::string(http2::client_preface) + frame(settings_frame, 0, 0, std::string("\0\4\0\0\0\0", 6)));
  f.frames();
  f.send(request(1) + request(3));
  f.reply_head(f.streams[0], 200, http::BodyKind::chunked);
  f.streams[0].writer->write_body(std::string_view("waits"));
  CHECK(run_until(f.loop, [&] { return f.streams[0].told() == "request GET /; end; stalled"; }));
  CHECK(counted(f, http::Flood::stall) == 1);
  f.reply(f.streams[1], 204, "");
  CHECK(f.answers() == "headers 1; reset 1 8; headers 3 end");
}

TEST_CASE("a stalled stream whose answer is complete is ended as well") {
  Http2Fixture f;
  f.settings.send_timeout = f.timeout(20);
  f.send(std::string(http2::client_preface) + frame(settings_frame, 0, 0, std::string("\0\4\0\0\0\0", 6)));
  f.send(request(1));
  f.reply(f.streams[0], 200, "waits");
  CHECK(run_until(f.loop, [&] { return counted(f, http::Flood::stall) == 1; }));
  CHECK(f.answers().ends_with("reset 1 8"));
  CHECK(f.streams[0].told() == "request GET /; end");
  settle(f.loop);
  CHECK(f.scratch.client_streams.live() == 0);
}

TEST_CASE("a client that floods hears nothing, and is not read, until its penalty is over") {
  Http2Fixture f;
  f.settings.flood_penalty = f.timeout(60'000);
  f.begin();
  std::string goaways;
  for (int i = 0; i < 20; ++i)
    goaways += frame(goaway_frame, 0, 0, number(0) + number(0));
  f.send(post(1) + goaways);
  CHECK(counted(f, http::Flood::goaway) == 1);
  CHECK(f.answers().empty());
  f.send(frame(ping_frame, 0, 0, "12345678"));
  CHECK(f.answers().empty());
  CHECK(f.connection.reading_paused());
}

TEST_CASE("with many connection errors on a listener a client waits for what it is told") {
  Http2Fixture f;
  constexpr std::uint32_t far_too_many = 1'000'000;
  REQUIRE(f.guard.allows(http::Flood::connection_error, f.loop.now_ms(), far_too_many));
  f.settings.flood_penalty = f.timeout(200);
  f.begin();
  f.send(frame(ping_frame, 0, 1, "12345678"));
  CHECK(f.answers().empty());
  CHECK(counted(f, http::Flood::connection_error) == 1);
  CHECK(run_until(f.loop, [&] { return f.answers() == "goaway 1"; }));
}

TEST_CASE("of many small frames each turn takes a part, and the rest comes later") {
  Http2Fixture f;
  f.begin();
  f.send(post(1));
  std::string body;
  for (int i = 0; i < 500; ++i)
    body += frame(data_frame, 0, 1, "0123456789");
  REQUIRE(f.client.send(body) == body.size());
  f.loop.run_once(std::chrono::milliseconds(0));
  CHECK(f.streams[0].body.size() < 2500);
  CHECK(run_until(f.loop, [&] { return f.streams[0].body.size() == 5000; }));
}

TEST_CASE("frames for a stream that was reset are counted, those under way are let pass") {
  Http2Fixture f;
  f.begin();
  f.send(post(1));
  f.streams[0].writer->abort();
  for (int i = 0; i < 64; ++i)
    f.send(frame(data_frame, 0, 1, std::string(1000, 'x')));
  f.send(request(3));
  CHECK(f.streams.size() == 2);
  std::string late;
  for (int i = 0; i < 2000; ++i)
    late += frame(data_frame, 0, 1, "x");
  f.send(late);
  CHECK(run_until(f.loop, [&] { return counted(f, http::Flood::late_frame) == 1; }));
}

TEST_CASE("a flood ends the connection, is counted once, and its streams fail") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  std::string pings;
  for (int i = 0; i < 3000; ++i)
    pings += frame(ping_frame, 0, 0, "12345678");
  f.send(pings);
  CHECK(counted(f, http::Flood::ping) == 1);
  CHECK(f.streams[0].told() == "request GET /; end; closed");
  CHECK(run_until(f.loop, [&] { return f.answers().ends_with("goaway 11"); }));
}

TEST_CASE("an early answer leaves the client a moment before the rest of its request is refused") {
  Http2Fixture f;
  f.settings.half_close_grace = f.timeout(20);
  f.begin();
  f.send(post(1));
  f.reply(f.streams[0], 413, "no");
  CHECK(f.answers() == "headers 1; data 1 2 end");
  CHECK(run_until(f.loop, [&] { return f.answers() == "reset 1 0"; }));
  f.send(frame(data_frame, end_stream, 1, "late"));
  settle(f.loop);
  CHECK(f.scratch.client_streams.live() == 0);
}

TEST_CASE("streams that have ended leave nothing behind") {
  Http2Fixture f;
  f.begin();
  f.when_opened = [&](StreamRecorder& stream) { stream.when_ended = [&] { f.reply(stream, 200, "hello"); }; };
  for (std::uint32_t id = 1; id < 201; id += 2)
    f.send(request(id));
  settle(f.loop);
  CHECK(f.streams.size() == 100);
  CHECK(f.scratch.client_streams.live() == 0);
}

TEST_CASE("requests beyond the streams agreed on are refused within bounds to a client that reads nothing") {
  Http2Fixture f;
  f.send(std::string(http2::client_preface) + frame(settings_frame, 0, 0, std::string("\0\4\x7f\0\0\0", 6)) +
         frame(window_update_frame, 0, 0, number(0x7f000000)));
  std::uint32_t id = 1;
  for (; id < 201; id += 2)
    f.send(request(id));
  f.reply_head(f.streams[0], 200, http::BodyKind::chunked);
  f.streams[0].writer->write_body(std::string(std::size_t{8} << 20U, 'z'));
  settle(f.loop);
  REQUIRE(f.connection.queued_bytes() > net::queue_low_bytes);
  std::string refused;
  for (; id < 40'001; id += 2)
    refused += request(id);
  f.client.send(refused);
  for (int turn = 0; turn < 100 && counted(f, http::Flood::unread_reply) == 0; ++turn)
    f.loop.run_once(std::chrono::milliseconds(0));
  CHECK(counted(f, http::Flood::unread_reply) == 1);
  CHECK(counted(f, http::Flood::bad_frame) == 0);
}

TEST_CASE("a WebSocket that its server has ended goes on until its client ends it") {
  Http2Fixture f;
  f.settings.half_close_grace = f.timeout(20);
  f.begin();
  f.send(extended_connect(1) + post(3));
  f.reply_head(f.streams[0], 101, http::BodyKind::none);
  f.streams[0].writer->write_end({});
  f.reply(f.streams[1], 413, "no");
  std::string answers;
  CHECK(run_until(f.loop, [&] { return (answers += f.answers()).ends_with("reset 3 0"); }));
  CHECK(answers.find("reset 1") == std::string::npos);
  f.send(frame(data_frame, end_stream, 1, "bye"));
  CHECK(f.streams[0].body == "bye");
  CHECK(f.streams[0].told() == "request GET /; end");
  settle(f.loop);
  CHECK(f.scratch.client_streams.live() == 0);
}

TEST_CASE("what follows for a refused stream, before the client can know, ends no connection") {
  Http2Fixture f;
  f.begin();
  std::string posts;
  std::uint32_t id = 1;
  for (; id <= 201; id += 2)
    posts += post(id);
  f.send(posts);
  CHECK(f.streams.size() == 100);
  f.send(frame(rst_stream_frame, 0, 1, number(8)) + request(id) + frame(data_frame, end_stream, 201, "late"));
  const std::string answers = f.answers();
  CHECK(answers.find("reset 201 7") != std::string::npos);
  CHECK(answers.find("goaway") == std::string::npos);
  CHECK(f.streams.size() == 101);
}

TEST_CASE("each head has its own time to come, though the next begins in the same read") {
  Http2Fixture f;
  f.settings.header_timeout = f.timeout(3000);
  f.begin();
  const auto first_half = [](std::uint32_t id) {
    return frame(headers_frame, end_stream, id, "\x82\x86\x84");
  };
  const auto second_half = [](std::uint32_t id) {
    return frame(9, end_headers, id,
                 "\x01\x06"
                 "a.test");
  };
  f.send(first_half(1));
  for (std::uint32_t id = 1; id < 5; id += 2) {
    const std::int64_t begun_ms = f.loop.now_ms();
    run_until(f.loop, [&] { return f.loop.now_ms() >= begun_ms + 1600; });
    f.send(second_half(id) + first_half(id + 2));
  }
  CHECK(f.streams.size() == 2);
  CHECK(f.answers().find("goaway") == std::string::npos);
  CHECK(run_until(f.loop, [&] { return f.answers().find("goaway") != std::string::npos; }));
}
