// HTTP/2 towards a server (RFC 9113, RFC 8441): a connection that carries the streams of many exchanges.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "azulb/http/server_codec.hpp"
#include "azulb/http2/codec_scratch.hpp"
#include "azulb/http2/multiplexer.hpp"
#include "azulb/http2/server_stream.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::http2 {

/// Streams on a connection, whatever more the server allows: beyond that another connection is better, for
/// one that breaks takes all its streams along.
inline constexpr std::uint32_t most_server_streams = 100;

/// Of the connections to one server.
struct ServerCodecSettings {
  net::TimerList* send_timeout;     // a stream must take bytes at least so often
  net::TimerList* silence_timeout;  // so long without a byte, while streams are open: the server is asked
                                    // (PING), and given as long again
  http::FloodCounters* floods = nullptr;  // where they are counted, if anywhere
};

/// It counts as connected when the server's SETTINGS have come, so that what it allows is known, and what is
/// no HTTP/2 is met before a request has left.
class ServerCodec final : public Multiplexer, public http::ServerCodec {
 public:
  ServerCodec(net::Connection& connection, CodecScratch& scratch, const ServerCodecSettings& settings,
              http::ServerCodecOwner& owner);

  // http::ServerCodec
  http::StreamWriter& open_stream(http::StreamReader& reader) override;
  Rest close_stream(http::StreamWriter* stream) override;
  std::uint32_t capacity() const override;
  bool unprocessed(const http::StreamWriter& stream) const override;
  std::string_view failure() const override { return failure_; }
  bool heard_lately() const override;
  bool check() override;
  bool checking() const override { return checking_; }
  bool takes_websocket() const override;
  void break_off() override;

  // ConnectionHandler
  void on_connected() override;
  std::size_t on_bytes(std::span<const char> bytes) override;
  void on_end() override;
  void on_failure(int system_error) override;
  void on_drained() override { work(); }

 private:
  friend class ServerStream;

  // Multiplexer
  void work() override;
  void session_failed(int error) override;
  void count_flood(http::Flood kind) override;
  net::TimerList& send_timeout() override { return *settings_.send_timeout; }
  void frame_begins(const nghttp2_frame_hd& frame) override;
  void headers_begin(const nghttp2_frame& frame) override;
  void head_received(Stream& stream, const nghttp2_frame& frame, bool ended) override;
  void frame_received(const nghttp2_frame& frame, bool ended) override;
  void frame_sent(const nghttp2_frame& frame) override;

  void tell_owner();
  void end(const http::StreamFailure& failure, int system_error);
  void update_timer();
  void on_silence();
  bool ask();
  std::uint64_t received_bytes() const { return connection_.received_bytes(); }
  std::string_view scheme() const { return connection_.tls() != nullptr ? "https" : "http"; }

  const ServerCodecSettings& settings_;
  http::ServerCodecOwner& owner_;
  net::MemberTimer<ServerCodec, &ServerCodec::on_silence> timer_{*this};
  std::string failure_;
  std::int64_t heard_ms_ = 0;
  std::int64_t asked_ms_ = 0;          // when the PING that is not answered yet was sent; 0: there is none
  std::uint32_t unanswered_asks_ = 0;  // PINGs since the server last sent of a message
  bool terminated_ = false;            // a GOAWAY of ours has left
  bool standing_ = false;              // the owner has been told
  bool settings_received_ = false;
  bool capacity_changed_ = false;  // the owner is to be told
  bool going_away_ = false;        // GOAWAY: no further stream
  bool checking_ = false;          // the owner waits for the PING's answer
};

}  // namespace azulb::http2
