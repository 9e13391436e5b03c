// HTTP/2 towards a client (RFC 9113, RFC 8441): nghttp2 reads and writes the frames; what they mean for
// streams, and what of them is too much, is decided here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "azulb/base/random.hpp"
#include "azulb/http/client_codec.hpp"
#include "azulb/http/flood.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http2/client_stream.hpp"
#include "azulb/http2/codec_scratch.hpp"
#include "azulb/http2/header_block.hpp"
#include "azulb/http2/multiplexer.hpp"
#include "azulb/http2/stream_history.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::http2 {

/// What a client's connection begins with.
inline constexpr std::string_view client_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Of one listener, on one worker.
struct ClientCodecSettings {
  HeadLimits limits;
  std::uint32_t streams;              // at once on a connection
  net::TimerList* header_timeout;     // first byte of a request to the end of its head
  net::TimerList* keepalive_timeout;  // with no stream open; also before the first
  net::TimerList* send_timeout;       // a stream must take bytes at least so often
  net::TimerList* linger_timeout;     // for the client's last words, and for the answer to a drain's PING
  net::TimerList* half_close_grace;   // a client that ended its side gets what comes within this time
  net::TimerList* flood_penalty;      // one that floods is kept waiting so long before it is thrown out
  http::FloodCounters* floods;
  FloodGuard* shared_guard;
  base::Random* random;
};

class ClientCodec final : public Multiplexer, public http::ClientCodec {
 public:
  ClientCodec(net::Connection& connection, CodecScratch& scratch, const ClientCodecSettings& settings,
              http::StreamAcceptor& acceptor);

  // http::ClientCodec
  void start() override;
  /// Tells the client to open no more streams, waits until it must have heard of it, and closes after the
  /// last.
  void drain() override;
  void wind_down() override { drain(); }  // nothing is lost by it
  void close_if_idle() override;
  void break_off() override;

  // ConnectionHandler
  std::size_t on_bytes(std::span<const char> bytes) override;
  void on_end() override;
  void on_failure(int system_error) override;
  void on_drained() override;

 private:
  friend class ClientStream;
  enum class Wait : std::uint8_t { none, head, idle, half_closed };  // what timer_ runs for

  // client_codec.cpp: the connection's life
  void work() override;
  void session_failed(int error) override;
  void count_flood(http::Flood kind) override;
  void punish() override;
  void hold();
  void throw_out(std::int32_t last_stream_id);
  net::TimerList& send_timeout() override { return *settings_.send_timeout; }
  void update_timer();
  void on_timeout();
  void on_end_timeout();
  void finish();
  void linger();
  void close();
  void no_more_requests();

  // client_codec_frames.cpp: what nghttp2 tells
  void frame_begins(const nghttp2_frame_hd& frame) override;
  void headers_begin(const nghttp2_frame& frame) override;
  void head_received(Stream& stream, const nghttp2_frame& frame, bool ended) override;
  void frame_received(const nghttp2_frame& frame, bool ended) override;
  void frame_sent(const nghttp2_frame& frame) override;
  bool lets_go(const nghttp2_frame& frame) override;
  void judge_stream_id(std::int32_t stream_id, std::size_t length) override;
  bool tolerates(std::uint32_t error_code);
  void request_received(ClientStream& stream, bool ended);
  void head_timed_out(ClientStream& stream);
  std::uint32_t head_ms() const;

  const ClientCodecSettings& settings_;
  http::StreamAcceptor& acceptor_;
  net::MemberTimer<ClientCodec, &ClientCodec::on_timeout> timer_{*this};
  net::MemberTimer<ClientCodec, &ClientCodec::on_end_timeout> end_timer_{*this};
  StreamHistory history_;
  std::size_t dropped_bytes_ = 0;                       // while lingering
  std::int32_t last_stream_id_ = 0;                     // while it is held
  std::uint32_t end_code_ = NGHTTP2_ENHANCE_YOUR_CALM;  // what it will be told then
  std::uint32_t block_begun_ms_ = 0;                    // the loop's clock, cut to 32 bits
  Wait wait_ = Wait::none;
  bool draining_ = false;
  bool goodbye_said_ = false;  // the final GOAWAY
  bool half_closed_ = false;
};

}  // namespace azulb::http2
