// HTTP/2 towards a client (RFC 9113, RFC 8441): nghttp2 reads and writes the frames; what they mean for
// streams, and what of them is too much, is decided here.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/random.hpp"
#include "azulb/http/client_codec.hpp"
#include "azulb/http/flood.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http2/client_stream.hpp"
#include "azulb/http2/codec_scratch.hpp"
#include "azulb/http2/flood_guard.hpp"
#include "azulb/http2/frame_scanner.hpp"
#include "azulb/http2/header_block.hpp"
#include "azulb/http2/session.hpp"
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
  http::FloodCounters* floods;
  base::Random* random;
};

class ClientCodec final : public net::ConnectionHandler, public http::ClientCodec, private net::Deferred {
 public:
  ClientCodec(net::Connection& connection, CodecScratch& scratch, const ClientCodecSettings& settings,
              http::StreamAcceptor& acceptor);
  ~ClientCodec() override;

  // http::ClientCodec
  void start() override;
  /// Tells the client to open no more streams, waits until it must have heard of it, and closes after the
  /// last.
  void drain() override;
  void break_off() override;

  // ConnectionHandler
  std::size_t on_bytes(std::span<const char> bytes) override;
  void on_end() override;
  void on_failure(int system_error) override;
  void on_drained() override;

 private:
  friend class ClientStream;
  friend struct SessionCallbacks;
  enum class Phase : std::uint8_t {
    open,
    lingering,  // all is said; what the client still sends is dropped until its end
    closed,
  };
  enum class Wait : std::uint8_t { none, head, idle, half_closed };  // what timer_ runs for

  // client_codec.cpp: the connection's life
  void on_deferred() override;
  int receive(std::span<const char> bytes);
  void work();
  void tell_streams();
  void forget(ClientStream& stream);
  int produce_frames();
  void update_timer();
  void on_timeout();
  void on_end_timeout();
  void end_streams(const http::StreamFailure& failure);
  void finish();
  void linger();
  void close();
  void session_failed(int error);

  // client_codec_frames.cpp: what nghttp2 tells
  int frame_begins(const nghttp2_frame_hd& frame);
  int headers_begin(const nghttp2_frame& frame);
  int header_field(std::string_view name, std::string_view value);
  int frame_received(const nghttp2_frame& frame);
  int body_received(std::int32_t stream_id, std::span<const char> bytes);
  int frame_sent(const nghttp2_frame& frame);
  int stream_closed(std::int32_t stream_id);
  int send_body(ClientStream& stream, const std::uint8_t* frame_head, std::size_t size_bytes);
  void head_received(ClientStream& stream, int category, bool ended);
  void request_received(ClientStream& stream, bool ended);
  void head_timed_out(ClientStream& stream);
  std::uint32_t head_ms() const;
  void allow(http::Flood kind);
  void flood(http::Flood kind);
  void judge_frame(const FrameScanner::Frame& frame);
  void judge_stream_id(std::int32_t stream_id);
  void cut_off(std::uint32_t error_code);

  // For the streams.
  /// Frames for what has been written, as far as the socket takes it.
  void produce();
  nghttp2_session* session() { return session_.get(); }
  net::Loop& loop() { return connection_.loop(); }
  void to_tell(ClientStream& stream);
  void to_send(ClientStream& stream);
  void wants_work() { loop().defer(*this); }
  // The connection's window: no stream that is paused holds it up, until very much is held.
  void body_taken(std::size_t size_bytes) { nghttp2_session_consume_connection(session(), size_bytes); }
  void body_held(std::size_t size_bytes);
  void held_body_taken(std::size_t size_bytes);
  void no_more_requests();

  net::Connection& connection_;
  CodecScratch& scratch_;
  const ClientCodecSettings& settings_;
  http::StreamAcceptor& acceptor_;
  Session session_;
  HeaderBlock block_;  // the one that is coming
  ClientStream* block_stream_ = nullptr;
  base::IntrusiveList<ClientStream, OpenStreams> streams_;
  base::IntrusiveList<ClientStream, StreamsToTell> to_tell_;
  base::IntrusiveList<ClientStream, StreamsToSend> to_send_;
  net::MemberTimer<ClientCodec, &ClientCodec::on_timeout> timer_{*this};
  net::MemberTimer<ClientCodec, &ClientCodec::on_end_timeout> end_timer_{*this};
  FrameScanner scanner_;
  FloodGuard guard_;
  StreamHistory history_;
  std::size_t block_wire_bytes_ = 0;
  std::uint32_t continuations_ = 0;   // of the block
  std::size_t held_bytes_ = 0;        // received for streams that are paused
  std::size_t unconsumed_bytes_ = 0;  // of the connection's window, as too much is held
  std::uint32_t block_begun_ms_ = 0;  // the loop's clock, cut to 32 bits
  Phase phase_ = Phase::open;
  Wait wait_ = Wait::none;
  bool receiving_ = false;  // within nghttp2_session_mem_recv
  bool producing_ = false;
  bool taken_by_reference_ = false;  // what was written shows into streams' buffers
  bool draining_ = false;
  bool goodbye_said_ = false;  // the final GOAWAY
  bool cut_off_ = false;       // the last GOAWAY says why; nothing more is read
  bool half_closed_ = false;
};

}  // namespace azulb::http2
