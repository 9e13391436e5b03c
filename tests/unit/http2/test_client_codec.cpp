#include <doctest/doctest.h>

#include "client_codec_fixture.hpp"

using namespace azulb;
using namespace azulb::test;

TEST_CASE("settings come first, and a request is told and answered") {
  Http2Fixture f;
  CHECK(f.answers() == "type 4; window 0");
  f.send(std::string(http2::client_preface) + frame(settings_frame, 0, 0, {}));
  CHECK(f.answers() == "type 4");
  f.send(request(1));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request GET /; end");
  CHECK(f.streams[0].request->version == "HTTP/2.0");
  CHECK(f.streams[0].request->info.host == "a.test");
  f.reply(f.streams[0], 200, "hello");
  CHECK(f.streams[0].writer->queued_bytes() > 5);
  CHECK(f.answers() == "headers 1; data 1 5 end");
}

TEST_CASE("what one turn of the loop leads to leaves in one write") {
  Http2Fixture f;
  f.begin();
  const std::uint64_t before = f.connection.sent_bytes();
  f.when_opened = [&](StreamRecorder& stream) { stream.when_ended = [&] { f.reply(stream, 200, "hello"); }; };
  REQUIRE(f.client.send(request(1) + request(3) + request(5)) > 0);
  // Nothing of it goes before all of it does.
  while (f.connection.sent_bytes() == before)
    f.loop.run_once(std::chrono::milliseconds(1));
  CHECK(f.answers() == "headers 1; headers 3; headers 5; data 1 5 end; data 3 5 end; data 5 5 end");
}

TEST_CASE("a header block that comes byte by byte, in many parts, is no flood") {
  Http2Fixture f;
  f.begin();
  std::string bytes = frame(headers_frame, end_stream, 1, "\x82\x86\x84");
  for (int part = 0; part < 6; ++part)
    bytes += frame(9, 0, 1, "");
  bytes += frame(9, end_headers, 1,
                 "\x01\x01"
                 "a");
  for (const char byte : bytes)
    f.send(std::string_view(&byte, 1));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request GET /; end");
  CHECK(f.streams[0].request->head_bytes == bytes.size());
}

TEST_CASE("a body comes as it is sent, and its end with the last frame") {
  Http2Fixture f;
  f.begin();
  f.send(post(1));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request POST /");
  f.send(frame(data_frame, 0, 1, "one"));
  CHECK(f.streams[0].body == "one");
  f.send(frame(data_frame, end_stream, 1, "two"));
  CHECK(f.streams[0].body == "onetwo");
  CHECK(f.streams[0].told() == "request POST /; end");
}

TEST_CASE("trailers come with the end") {
  Http2Fixture f;
  f.begin();
  f.send(post(1) + frame(data_frame, 0, 1, "body") +
         frame(headers_frame, end_stream | end_headers, 1,
               std::string("\x00\x05x-sum\x01"
                           "1",
                           9)));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request POST /; end x-sum=1");
}

TEST_CASE("a paused stream keeps what comes and its window shut; another goes on") {
  Http2Fixture f;
  f.begin();
  f.send(post(1) + post(3));
  REQUIRE(f.streams.size() == 2);
  f.streams[0].writer->pause_reading();
  for (int i = 0; i < 4; ++i)
    f.send(frame(data_frame, 0, 1, std::string(15'000, 'x')));
  CHECK(f.streams[0].body.empty());
  CHECK(f.answers().find("window 1") == std::string::npos);
  f.send(frame(data_frame, end_stream, 3, "other"));
  CHECK(f.streams[1].body == "other");
  f.streams[0].writer->resume_reading();
  settle(f.loop);
  CHECK(f.streams[0].body.size() == 60'000);
  CHECK(f.answers() == "window 1");
  f.send(frame(data_frame, end_stream, 1, "rest"));
  CHECK(f.streams[0].told() == "request POST /; end");
}

TEST_CASE("an end that comes while reading is paused is told after the rest") {
  Http2Fixture f;
  f.begin();
  f.send(post(1));
  f.streams[0].writer->pause_reading();
  f.send(frame(data_frame, end_stream, 1, "rest"));
  CHECK(f.streams[0].told() == "request POST /");
  f.streams[0].writer->resume_reading();
  settle(f.loop);
  CHECK(f.streams[0].body == "rest");
  CHECK(f.streams[0].told() == "request POST /; end");
}

TEST_CASE("a large answer waits for its window, and its writer learns when to go on") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  StreamRecorder& stream = f.streams[0];
  f.reply_head(stream, 200, http::BodyKind::length, 200'000);
  stream.writer->write_body(std::string(100'000, 'x'));
  std::size_t taken = 0;
  for (const Received& frame : f.frames())
    taken += frame.type == data_frame ? frame.payload.size() : 0;
  CHECK(taken == 65'535);
  CHECK(stream.writer->queued_bytes() == 100'000 - 65'535);
  CHECK(stream.writable == 0);
  f.send(frame(window_update_frame, 0, 1, number(65'535)) +
         frame(window_update_frame, 0, 0, number(200'000)));
  CHECK(stream.writer->queued_bytes() == 0);
  CHECK(stream.writable == 1);
  stream.writer->write_body(std::string(100'000, 'y'));
  stream.writer->write_end({});
  f.send(frame(window_update_frame, 0, 1, number(200'000)));
  CHECK(f.answers().ends_with(" end"));
}

TEST_CASE("an answer that lacks bytes is not ended cleanly") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  f.reply_head(f.streams[0], 200, http::BodyKind::length, 10);
  f.streams[0].writer->write_body(std::string_view("five!"));
  f.streams[0].writer->write_end({});
  const std::string answers = f.answers();
  CHECK(answers.ends_with("reset 1 2"));
  CHECK(answers.find("end") == std::string::npos);
}

TEST_CASE("trailers of an answer end it") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  f.reply_head(f.streams[0], 200, http::BodyKind::chunked);
  f.streams[0].writer->write_body(std::string_view("body"));
  const http::Field trailers[] = {http::make_field("X-Sum", "1")};
  f.streams[0].writer->write_end(trailers);
  CHECK(f.answers() == "headers 1; data 1 4; headers 1 end");
}

TEST_CASE("a stream that its client resets fails, and writing to it does nothing") {
  Http2Fixture f;
  f.begin();
  f.send(request(1));
  f.send(frame(rst_stream_frame, 0, 1, number(8)));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "request GET /; end; closed");
  CHECK(f.answers().empty());
}

TEST_CASE("a request that is reset in the same bytes is told to nobody") {
  Http2Fixture f;
  f.begin();
  f.send(request(1) + frame(rst_stream_frame, 0, 1, number(8)) + request(3));
  CHECK(f.streams.size() == 1);
}

TEST_CASE("a malformed request is told as bad, and its stream reset whatever is written") {
  Http2Fixture f;
  f.begin();
  f.when_opened = [&](StreamRecorder& stream) { stream.when_head = [&] { f.reply(stream, 400, "no"); }; };
  f.send(frame(headers_frame, end_stream | end_headers, 1, std::string("\x82\x86\x84\x00\x01X\x01y", 8)));
  REQUIRE(f.streams.size() == 1);
  CHECK(f.streams[0].told() == "bad bad_field_name");
  CHECK(f.answers() == "reset 1 1");
}

TEST_CASE("a body that is longer than it was said to be fails its stream") {
  Http2Fixture f;
  f.begin();
  f.send(frame(headers_frame, end_headers, 1,
               std::string("\x83\x86\x84\x01\x01"
                           "a\x0f\x0d\x01"
                           "3",
                           10)));
  REQUIRE(f.streams.size() == 1);
  f.send(frame(data_frame, 0, 1, "four"));
  CHECK(f.streams[0].told() == "request POST /; malformed length_mismatch");
  CHECK(f.streams[0].body.empty());
  CHECK(f.answers() == "reset 1 1");
}
