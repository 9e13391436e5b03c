// A client codec on one end of a socket pair, the client by hand on the other.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "../support/sockets.hpp"
#include "../support/stream_recorder.hpp"
#include "azulb/http1/client_codec.hpp"

namespace azulb::test {

class ClientCodecFixture : public http::StreamAcceptor {
 public:
  ClientCodecFixture() : ClientCodecFixture(socket_pair()) {}
  explicit ClientCodecFixture(Pair connected) : client(std::move(connected.far)) {
    connection.adopt(connected.near.release());
    codec.start();
  }
  ~ClientCodecFixture() override { connection.close(); }

  http::StreamReader& open_stream(http::StreamWriter& writer) override {
    StreamRecorder& stream = streams.emplace_back();
    stream.writer = &writer;
    if (when_opened) when_opened(stream);
    return stream;
  }
  void on_connection_closed() override { ++closed; }

  /// The client sends, and what it leads to happens.
  void send(std::string_view bytes) {
    REQUIRE(client.send(bytes) == bytes.size());
    settle(loop);
  }
  /// All that the client has received since the last call.
  std::string answers() {
    loop.gather().flush();
    settle(loop);
    client.drain();
    std::string all = client.received();
    client.forget();
    return all;
  }
  /// A whole response of known length.
  void reply(StreamRecorder& stream, int status, std::string_view body, bool close = false) {
    http::ResponseHeadOut head;
    head.status = status;
    head.reason = "Test";
    head.body = http::BodyKind::length;
    head.content_length = body.size();
    head.close = close;
    stream.writer->write_response(head);
    stream.writer->write_body(body);
    stream.writer->flush();
    stream.writer->write_end({});
  }
  void reply_head(StreamRecorder& stream, int status, http::BodyKind body, std::uint64_t length = 0) {
    http::ResponseHeadOut head;
    head.status = status;
    head.reason = "Test";
    head.body = body;
    head.content_length = length;
    stream.writer->write_response(head);
  }
  /// Has the codec closed the connection?
  /// The client has seen the end; it ends its own side, and nothing is left of the connection.
  bool is_closed() {
    settle(loop);
    client.drain();
    if (!connection.open()) return true;
    if (!client.ended()) return false;
    client.end_writing();
    return run_until(loop, [&] { return !connection.open(); });
  }
  net::TimerList* timeout(int duration_ms) {
    return &loop.timers().list(std::chrono::milliseconds(duration_ms));
  }

  net::Loop loop;
  Peer client;
  http1::CodecScratch scratch{100};
  http1::ClientHabit habit;
  http1::ClientCodecSettings settings{.limits = {},
                                      .header_timeout = timeout(60'000),
                                      .keepalive_timeout = timeout(60'000),
                                      .linger_timeout = timeout(60'000),
                                      .half_close_grace = timeout(60'000),
                                      .habit = &habit};
  net::Connection connection{loop, codec};
  http1::ClientCodec codec{connection, scratch, settings, *this};
  std::deque<StreamRecorder> streams;
  std::function<void(StreamRecorder&)> when_opened;
  int closed = 0;
};

}  // namespace azulb::test
