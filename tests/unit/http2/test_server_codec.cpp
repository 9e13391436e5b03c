#include "azulb/http2/server_codec.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <optional>
#include <string>

#include "client_codec_fixture.hpp"

using namespace azulb;
using namespace azulb::test;
using http::BodyKind;

namespace {

struct Owner final : http::ServerCodecOwner {
  void write_preamble() override { ++preambles; }
  void on_connected() override { connected = true; }
  void on_connect_failure(int system_error) override { connect_error = system_error; }
  void on_idle_end() override { ++idle_ends; }
  void on_capacity_changed() override { ++changes; }
  int preambles = 0;
  bool connected = false;
  int connect_error = 0;
  int idle_ends = 0;
  int changes = 0;
};

/// A codec connected to a server that the test plays, frame by frame.
class Fixture {
 public:
  Fixture() {
    REQUIRE(connection.connect(listening.address()) == 0);
    REQUIRE(run_until(loop, [&] { return owner.preambles > 0; }));
    server.emplace(listening.accept());
    settle(loop);
  }
  ~Fixture() {
    codec.break_off();
    settle(loop);
    CHECK(scratch.server_streams.live() == 0);
  }

  /// The server's SETTINGS; what azulb has said up to then is taken away.
  void begin(std::string_view values = {}) {
    send(frame(settings_frame, 0, 0, values));
    sent();
  }
  void send(std::string_view bytes) {
    REQUIRE(server->send(bytes) == bytes.size());
    settle(loop);
  }
  StreamRecorder& ask(std::string_view method = "GET", BodyKind body = BodyKind::none,
                      std::string_view upgrade = {}) {
    StreamRecorder& stream = streams.emplace_back();
    http::Field key[] = {http::make_field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")};
    http::RequestHead head;
    head.method_name = method;
    head.method = http::method_of(method);
    if (!upgrade.empty()) head.fields = key;
    http::RequestHeadOut out;
    out.head = &head;
    out.path = "/";
    out.host = "a.test";
    out.body = body;
    out.upgrade = upgrade;
    stream.writer = &codec.open_stream(stream);
    stream.writer->write_request(out);
    if (body == BodyKind::none) stream.writer->write_end({});
    settle(loop);
    return stream;
  }
  http::ServerCodec::Rest close(StreamRecorder& stream) {
    const auto rest = codec.close_stream(std::exchange(stream.writer, nullptr));
    settle(loop);
    return rest;
  }
  /// What azulb has sent since the last call, as "headers 1 end; data 1 4" and the like.
  std::string sent() {
    settle(loop);
    server->drain();
    std::string bytes = server->received();
    server->forget();
    if (bytes.starts_with(http2::client_preface)) bytes.erase(0, http2::client_preface.size());
    return described(bytes);
  }
  static std::string described(const std::string& bytes) {
    std::string all;
    for (std::size_t at = 0; at + 9 <= bytes.size();) {
      const auto byte = [&](std::size_t offset) { return static_cast<std::uint8_t>(bytes[at + offset]); };
      const std::size_t size = std::size_t{byte(0)} << 16U | std::size_t{byte(1)} << 8U | byte(2);
      const std::string stream = std::to_string(byte(8));
      if (!all.empty()) all += "; ";
      switch (byte(3)) {
        case data_frame:
          all += "data " + stream + " " + std::to_string(size);
          break;
        case headers_frame:
          all += "headers " + stream;
          break;
        case rst_stream_frame:
          all += "reset " + stream + " " + std::to_string(byte(12));
          break;
        case goaway_frame:
          all += "goaway " + std::to_string(byte(16));
          break;
        case window_update_frame:
          all += "window " + stream;
          break;
        default:
          all += "type " + std::to_string(byte(3));
          break;
      }
      if ((byte(3) == data_frame || byte(3) == headers_frame) && (byte(4) & end_stream) != 0) all += " end";
      at += 9 + size;
    }
    return all;
  }

  net::Loop loop;
  const Server listening;
  Owner owner;
  http2::CodecScratch scratch{100};
  http2::ServerCodecSettings settings{
      .send_timeout = &loop.timers().list(std::chrono::milliseconds(60'000)),
      .silence_timeout = &loop.timers().list(std::chrono::milliseconds(60'000))};
  net::Connection connection{loop, codec};
  http2::ServerCodec codec{connection, scratch, settings, owner};
  std::optional<Peer> server;
  std::deque<StreamRecorder> streams;
};

const std::string ok_head = "\x88";  // :status 200
const std::string interim_head(
    "\x08\x03"
    "103",
    5);  // :status 103
const std::string length_4(
    "\x0f\x0d\x01"
    "4",
    4);  // content-length: 4
const std::string max_streams_2("\x00\x03\x00\x00\x00\x02", 6);
const std::string connect_protocol("\x00\x08\x00\x00\x00\x01", 6);

std::string answer(std::uint32_t stream, std::string_view body = "body") {
  return frame(headers_frame, end_headers, stream, ok_head) + frame(data_frame, end_stream, stream, body);
}

std::string goaway(std::uint32_t last) {
  return frame(goaway_frame, 0, 0, number(last) + number(0));
}

}  // namespace

TEST_CASE("a connection takes streams once the server's settings have come") {
  Fixture f;
  CHECK(f.sent() == "type 4; window 0");
  CHECK_FALSE(f.owner.connected);
  CHECK(f.codec.capacity() == 0);
  f.begin(max_streams_2);
  CHECK(f.owner.connected);
  CHECK(f.codec.capacity() == 2);
  f.begin();
  CHECK(f.owner.changes == 1);
}

TEST_CASE("without a limit of the server's there is ours") {
  Fixture f;
  f.begin();
  CHECK(f.codec.capacity() == http2::most_server_streams);
  CHECK_FALSE(f.codec.takes_websocket());
}

TEST_CASE("what is no HTTP/2 is a failed connection, with its words") {
  Fixture f;
  f.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  CHECK(f.owner.connect_error == EPROTO);
  CHECK(f.codec.failure() == "the server does not speak HTTP/2");
  CHECK_FALSE(f.owner.connected);
}

TEST_CASE("a server that closes before its settings is a failed connection") {
  Fixture f;
  f.server->close();
  CHECK(run_until(f.loop, [&] { return f.owner.connect_error == ECONNRESET; }));
}

TEST_CASE("requests and answers pass side by side") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  StreamRecorder& two = f.ask("POST", BodyKind::chunked);
  two.writer->write_body(std::string_view("abc"));
  CHECK(f.sent() == "headers 1 end; headers 3; data 3 3");
  f.send(answer(1));
  CHECK(one.told() == "response 200; end");
  CHECK(one.body == "body");
  const http::Field trailers[] = {http::make_field("X-Sum", "1")};
  two.writer->write_end(trailers);
  CHECK(f.sent() == "headers 3 end");
  f.send(frame(headers_frame, end_headers, 3, interim_head) + frame(headers_frame, end_headers, 3, ok_head) +
         frame(headers_frame, end_stream | end_headers, 3,
               std::string("\x00\x05x-sum\x01"
                           "2",
                           9)));
  CHECK(two.told() == "interim 103; response 200; end x-sum=2");
  CHECK(f.close(one) == http::ServerCodec::Rest::usable);
  CHECK(f.close(two) == http::ServerCodec::Rest::usable);
  CHECK(f.sent().empty());
}

TEST_CASE("a stream that is closed early is cancelled, and what comes for it dropped") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  StreamRecorder& two = f.ask();
  f.sent();
  CHECK(f.close(one) == http::ServerCodec::Rest::usable);
  CHECK(f.sent() == "reset 1 8");
  f.send(answer(1) + answer(3));
  CHECK(one.told().empty());
  CHECK(two.told() == "response 200; end");
}

TEST_CASE("a paused stream keeps its window shut, and its head when that comes late") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  f.sent();
  one.writer->pause_reading();
  f.send(frame(headers_frame, end_headers, 1, interim_head) + frame(headers_frame, end_headers, 1, ok_head));
  for (int i = 0; i < 4; ++i)
    f.send(frame(data_frame, 0, 1, std::string(15'000, 'x')));
  CHECK(one.told().empty());
  CHECK(f.sent().find("window 1") == std::string::npos);
  one.writer->resume_reading();
  settle(f.loop);
  CHECK(one.told() == "response 200");
  CHECK(one.body.size() == 60'000);
  CHECK(f.sent() == "window 1");
}

TEST_CASE("an answer that has come whole is told though the connection ends meanwhile") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  one.writer->pause_reading();
  f.send(answer(1));
  f.server->close();
  CHECK(run_until(f.loop, [&] { return f.codec.capacity() == 0; }));
  one.writer->resume_reading();
  settle(f.loop);
  CHECK(one.told() == "response 200; end");
  CHECK(f.close(one) == http::ServerCodec::Rest::used_up);
}

TEST_CASE("malformed answers reset their stream and no other") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  StreamRecorder& two = f.ask();
  f.sent();
  SUBCASE("no status") {
    f.send(frame(headers_frame, end_stream | end_headers, 1, std::string("\x00\x01x\x01y", 5)));
    CHECK(one.told() == "malformed bad_status_line");
  }
  SUBCASE("a status outside of 100 to 599") {
    f.send(frame(headers_frame, end_stream | end_headers, 1,
                 std::string("\x08\x03"
                             "608",
                             5)));
    CHECK(one.told() == "malformed bad_status_line");
  }
  SUBCASE("a request's pseudo field") {
    f.send(frame(headers_frame, end_stream | end_headers, 1, ok_head + "\x84"));
    CHECK(one.told() == "malformed bad_pseudo_field");
  }
  SUBCASE("no body where one was announced") {
    f.send(frame(headers_frame, end_stream | end_headers, 1, ok_head + length_4));
    CHECK(one.told() == "malformed length_mismatch");
  }
  SUBCASE("an interim head that ends") {
    f.send(frame(headers_frame, end_stream | end_headers, 1, interim_head));
    CHECK(one.told() == "malformed bad_status_line");
  }
  SUBCASE("more than was announced") {
    f.send(frame(headers_frame, end_headers, 1, ok_head + length_4) + frame(data_frame, 0, 1, "12345"));
    CHECK(one.told() == "response 200; malformed length_mismatch");
  }
  CHECK(f.sent() == "reset 1 1");
  CHECK_FALSE(f.codec.unprocessed(*one.writer));
  f.send(answer(3));
  CHECK(two.told() == "response 200; end");
}

TEST_CASE("an answer to HEAD has no body, whatever it says and whatever comes") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask("HEAD");
  f.send(frame(headers_frame, end_headers, 1, ok_head + length_4) + frame(data_frame, end_stream, 1, "1234"));
  CHECK(one.told() == "response 200; end");
  CHECK(one.body.empty());
}

TEST_CASE("GOAWAY takes no more streams, and says which were not acted upon") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  StreamRecorder& two = f.ask("POST", BodyKind::chunked);
  f.send(goaway(1));
  CHECK(f.owner.changes == 1);
  CHECK(f.codec.capacity() == 0);
  CHECK(one.told().empty());
  CHECK(two.told() == "closed");
  CHECK(f.codec.unprocessed(*two.writer));
  CHECK_FALSE(f.codec.unprocessed(*one.writer));
  f.send(answer(1));
  CHECK(one.told() == "response 200; end");
  CHECK(f.close(one) == http::ServerCodec::Rest::used_up);
}

TEST_CASE("a refused stream was not acted upon, another reset leaves that open") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  StreamRecorder& two = f.ask();
  f.send(frame(rst_stream_frame, 0, 1, number(7)) + frame(rst_stream_frame, 0, 3, number(2)));
  CHECK(one.told() == "closed");
  CHECK(two.told() == "closed");
  CHECK(f.codec.unprocessed(*one.writer));
  CHECK_FALSE(f.codec.unprocessed(*two.writer));
}

TEST_CASE("an answer before the request's end ends the stream, with NO_ERROR behind it or not") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask("POST", BodyKind::chunked);
  std::string reset;
  SUBCASE("with") {
    reset = frame(rst_stream_frame, 0, 1, number(0));
  }
  SUBCASE("without") {}
  f.send(answer(1) + reset);
  CHECK(one.told() == "response 200; end");
  one.writer->write_body(std::string_view("late"));
  f.close(one);
}

TEST_CASE("a WebSocket is an extended CONNECT whose 200 is told as a 101") {
  Fixture f;
  f.begin(connect_protocol);
  CHECK(f.codec.takes_websocket());
  StreamRecorder& one = f.ask("GET", BodyKind::none, "websocket");
  CHECK(f.sent() == "headers 1");
  f.send(frame(headers_frame, end_headers, 1, ok_head));
  CHECK(one.told() == "response 101");
  one.writer->write_body(std::string_view("to"));
  f.send(frame(data_frame, 0, 1, "fro"));
  CHECK(one.body == "fro");
  one.writer->write_end({});
  CHECK(f.sent() == "data 1 2; data 1 0 end");
  f.send(frame(data_frame, end_stream, 1, ""));
  CHECK(one.told() == "response 101; end");
  CHECK(f.close(one) == http::ServerCodec::Rest::usable);
}

TEST_CASE("a server that takes nothing ends its stream after the send timeout, no other") {
  Fixture f;
  f.settings.send_timeout = &f.loop.timers().list(std::chrono::milliseconds(20));
  f.begin(std::string("\x00\x04\x00\x00\x00\x00", 6));  // windows of nothing
  StreamRecorder& one = f.ask("POST", BodyKind::chunked);
  StreamRecorder& two = f.ask();
  one.writer->write_body(std::string_view("abc"));
  CHECK(run_until(f.loop, [&] { return one.told() == "stalled"; }));
  f.send(answer(3));
  CHECK(two.told() == "response 200; end");
}

TEST_CASE("a check is answered by the server's word, and its capacity is told again") {
  Fixture f;
  f.begin();
  CHECK(f.codec.heard_lately());
  CHECK(f.codec.check());
  CHECK(f.codec.checking());
  CHECK(f.sent() == "type 6");
  f.send(frame(ping_frame, 1, 0, std::string(8, '\0')));
  CHECK_FALSE(f.codec.checking());
  CHECK(f.owner.changes == 1);
  CHECK(f.codec.check());
  f.send(frame(ping_frame, 1, 0, std::string(8, '\0')));
  CHECK_FALSE(f.codec.check());  // too many for a server that sends no messages
  StreamRecorder& one = f.ask();
  f.send(answer(1));
  CHECK(one.told() == "response 200; end");
  CHECK(f.codec.check());
}

TEST_CASE("a silent server is asked, and given up if it stays so") {
  Fixture f;
  f.settings.silence_timeout = &f.loop.timers().list(std::chrono::milliseconds(20));
  f.begin();
  StreamRecorder& one = f.ask();
  CHECK(run_until(f.loop, [&] { return f.codec.checking() || one.told() == "closed"; }));
  CHECK(one.told() == "closed");
  CHECK(f.codec.capacity() == 0);
  CHECK(f.sent().find("type 6") != std::string::npos);
}

TEST_CASE("a flood ends the connection, and its streams as malformed") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  f.sent();
  std::string pings;
  for (int i = 0; i < 1500; ++i)
    pings += frame(ping_frame, 0, 0, "12345678");
  f.send(pings);
  CHECK(one.told() == "malformed protocol_error");
  CHECK(f.codec.capacity() == 0);
  CHECK(f.sent().find("goaway 11") != std::string::npos);
}

TEST_CASE("a session that fails ends the connection, and its streams, once") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  f.sent();
  // nghttp2 fails so when it has no memory, or too many answers to PINGs that cannot leave.
  nghttp2_data_provider failing{};
  failing.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t, std::uint32_t*,
                             nghttp2_data_source*, void*) -> ssize_t { return NGHTTP2_ERR_CALLBACK_FAILURE; };
  REQUIRE(nghttp2_submit_request(f.codec.session(), nullptr, nullptr, 0, &failing, nullptr) > 0);
  StreamRecorder& two = f.ask();
  CHECK(one.told() == "malformed protocol_error");
  CHECK(two.told() == "malformed protocol_error");
  CHECK(f.codec.capacity() == 0);
  CHECK(f.owner.changes == 1);
  const std::string sent = f.sent();
  CHECK(sent.find("goaway 2") != std::string::npos);
  CHECK(sent.find("goaway") == sent.rfind("goaway"));
  CHECK(f.close(one) == http::ServerCodec::Rest::used_up);
}

TEST_CASE("broken off, a connection that is idle says goodbye, and its streams are told nothing") {
  Fixture f;
  f.begin();
  StreamRecorder& one = f.ask();
  f.sent();
  f.codec.break_off();
  CHECK(f.sent() == "goaway 0");
  CHECK(one.told().empty());
}
