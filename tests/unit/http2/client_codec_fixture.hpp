// An HTTP/2 client codec on one end of a socket pair, the client, frame by frame, on the other.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "../support/http2_frames.hpp"
#include "../support/sockets.hpp"
#include "../support/stream_recorder.hpp"
#include "azulb/http2/client_codec.hpp"

namespace azulb::test {

/// :method (static entry 2: GET, 3: POST), :scheme http, :path /, :authority "a.test".
inline std::string request(std::uint32_t stream, std::uint8_t flags = end_stream | end_headers,
                           char method = '\x82') {
  return frame(headers_frame, flags, stream,
               std::string(1, method) +
                   "\x86\x84\x01\x06"
                   "a.test");
}

inline std::string post(std::uint32_t stream) {
  return request(stream, end_headers, '\x83');
}

/// A WebSocket (RFC 8441), still open on the client's side.
inline std::string extended_connect(std::uint32_t stream) {
  const auto field = [](std::string_view name, std::string_view value) {
    std::string bytes(1, '\0');
    for (const std::string_view text : {name, value})
      bytes.append(1, static_cast<char>(text.size())).append(text);
    return bytes;
  };
  return frame(headers_frame, end_headers, stream,
               field(":method", "CONNECT") + field(":protocol", "websocket") +
                   "\x86\x84\x01\x06"
                   "a.test" +
                   field("sec-websocket-version", "13"));
}

struct Received {
  std::uint8_t type;
  std::uint8_t flags;
  std::uint32_t stream;
  std::string payload;
};

class Http2Fixture : public http::StreamAcceptor {
 public:
  Http2Fixture() : Http2Fixture(socket_pair()) {}
  explicit Http2Fixture(Pair connected) : client(std::move(connected.far)) {
    connection.set_write_timeout(timeout(60'000));
    connection.adopt(connected.near.release());
    codec.start();
  }
  ~Http2Fixture() override {
    codec.break_off();
    loop.run_once(std::chrono::milliseconds(0));
  }

  /// Preface, SETTINGS, and what azulb says to that.
  void begin() {
    send(std::string(http2::client_preface) + frame(settings_frame, 0, 0, {}));
    frames();
  }

  http::StreamReader& open_stream(http::StreamWriter& writer) override {
    StreamRecorder& stream = streams.emplace_back();
    stream.writer = &writer;
    if (when_opened) when_opened(stream);
    return stream;
  }
  void on_connection_closed() override { ++closed; }

  void send(std::string_view bytes) {
    REQUIRE(client.send(bytes) == bytes.size());
    settle(loop);
  }
  /// All frames that the client has received since the last call.
  std::vector<Received> frames() {
    settle(loop);
    client.drain();
    received += client.received();
    client.forget();
    std::vector<Received> all;
    while (received.size() >= 9) {
      const auto byte = [this](std::size_t at) {
        return static_cast<std::uint32_t>(static_cast<std::uint8_t>(received[at]));
      };
      const std::size_t size = byte(0) << 16U | byte(1) << 8U | byte(2);
      if (received.size() < 9 + size) break;
      all.push_back({static_cast<std::uint8_t>(byte(3)), static_cast<std::uint8_t>(byte(4)),
                     byte(5) << 24U | byte(6) << 16U | byte(7) << 8U | byte(8), received.substr(9, size)});
      received.erase(0, 9 + size);
    }
    return all;
  }
  /// "headers 1; data 1 end; reset 1 8" and the like.
  std::string answers() {
    std::string all;
    for (const Received& frame : frames()) {
      if (!all.empty()) all += "; ";
      switch (frame.type) {
        case data_frame:
          all += "data " + std::to_string(frame.stream) + " " + std::to_string(frame.payload.size());
          break;
        case headers_frame:
          all += "headers " + std::to_string(frame.stream);
          break;
        case rst_stream_frame:
          all += "reset " + std::to_string(frame.stream) + " " + std::to_string(frame.payload[3]);
          break;
        case ping_frame:
          all += "ping";
          break;
        case goaway_frame:
          all += "goaway " + std::to_string(frame.payload[7]);
          break;
        case window_update_frame:
          all += "window " + std::to_string(frame.stream);
          break;
        default:
          all += "type " + std::to_string(frame.type);
          break;
      }
      if ((frame.type == data_frame || frame.type == headers_frame) && (frame.flags & end_stream) != 0)
        all += " end";
    }
    return all;
  }
  void reply_head(StreamRecorder& stream, int status, http::BodyKind body, std::uint64_t length = 0) {
    http::ResponseHeadOut head;
    head.status = status;
    head.body = body;
    head.content_length = length;
    stream.writer->write_response(head);
  }
  void reply(StreamRecorder& stream, int status, std::string_view body) {
    reply_head(stream, status, http::BodyKind::length, body.size());
    stream.writer->write_body(body);
    stream.writer->write_end({});
  }
  net::TimerList* timeout(int duration_ms) {
    return &loop.timers().list(std::chrono::milliseconds(duration_ms));
  }

  net::Loop loop;
  Peer client;
  http2::CodecScratch scratch{100};
  http2::FloodGuard guard;
  http::FloodCounters floods;
  base::Random random{1};
  http2::ClientCodecSettings settings{.limits = {},
                                      .streams = 100,
                                      .header_timeout = timeout(60'000),
                                      .keepalive_timeout = timeout(60'000),
                                      .send_timeout = timeout(60'000),
                                      .linger_timeout = timeout(60'000),
                                      .half_close_grace = timeout(60'000),
                                      .flood_penalty = timeout(1),
                                      .floods = &floods,
                                      .shared_guard = &guard,
                                      .random = &random};
  net::Connection connection{loop, codec};
  http2::ClientCodec codec{connection, scratch, settings, *this};
  std::deque<StreamRecorder> streams;
  std::function<void(StreamRecorder&)> when_opened;
  std::string received;
  int closed = 0;
};

}  // namespace azulb::test
