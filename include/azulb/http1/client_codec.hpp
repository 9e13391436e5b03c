// HTTP/1 towards a client: requests in, responses out, one at a time and in order (RFC 9112 section 9.3).
// Owns no exchange; pipelined requests wait unparsed.
#pragma once

#include <cstdint>
#include <span>

#include "azulb/http/client_codec.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http1/body_writer.hpp"
#include "azulb/http1/client_habit.hpp"
#include "azulb/http1/codec_scratch.hpp"
#include "azulb/http1/message_reader.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::http1 {

/// Of one listener, on one worker.
struct ClientCodecSettings {
  HeadLimits limits;
  net::TimerList* header_timeout;     // first byte of a request to the end of its head
  net::TimerList* keepalive_timeout;  // idle between requests; also before the first
  net::TimerList* linger_timeout;  // after the last response: how long a client's leftover bytes are drained
  net::TimerList*
      half_close_grace;  // a client that ended its side gets its answer if it comes within this time
  ClientHabit* habit;
};

class ClientCodec final : public net::ConnectionHandler, public http::ClientCodec, public http::StreamWriter {
 public:
  ClientCodec(net::Connection& connection, CodecScratch& scratch, const ClientCodecSettings& settings,
              http::StreamAcceptor& acceptor)
      : connection_(connection), scratch_(scratch), settings_(settings), acceptor_(acceptor) {}

  /// Idle, with nothing of a request received: may be closed without loss.
  bool idle() const { return phase_ == Phase::head && reader_ == nullptr && !in_.head().started(); }
  /// Nothing has been made of what came, but that it may be the start of a first request.
  bool untouched() const { return fresh_ && phase_ == Phase::head; }
  /// While `untouched`: another codec takes over the connection. Never used again.
  void retire() { timer_.stop(); }
  bool draining() const { return draining_; }
  net::Connection& connection() { return connection_; }
  http::StreamAcceptor& acceptor() { return acceptor_; }

  // http::ClientCodec
  void start() override;
  /// Closes an idle connection (a fresh one gets a moment to send its request); any other is closed after the
  /// response it is at.
  void drain() override;
  void wind_down() override { draining_ = true; }
  void close_if_idle() override;
  void break_off() override;

  // ConnectionHandler
  std::size_t on_bytes(std::span<const char> bytes) override;
  void on_end() override;
  void on_failure(int system_error) override;
  void on_drained() override;

  // StreamWriter
  void write_response(const http::ResponseHeadOut& head) override;
  void write_body(std::span<const char> bytes) override;
  void write_end(std::span<const http::Field> trailers) override;
  void flush() override { connection_.flush(); }
  void abort() override;
  void pause_reading() override { connection_.pause_reading(); }
  void resume_reading() override { connection_.resume_reading(); }
  std::size_t queued_bytes() const override { return connection_.queued_bytes(); }
  std::uint64_t written_bytes() const override { return connection_written_bytes() - written_before_; }
  net::Connection* raw_connection() override { return connection_.tls() == nullptr ? &connection_ : nullptr; }
  std::uint64_t raw_readable_bytes() const override;
  std::uint64_t raw_writable_bytes() const override { return body_out_.raw_bytes(); }
  void raw_read(std::uint64_t size_bytes) override { in_.skip(size_bytes); }
  void raw_written(std::uint64_t size_bytes) override { body_out_.skip(size_bytes); }
  void end_raw_reading() override;

 private:
  enum class Phase : std::uint8_t {
    head,       // waiting for or reading a request head
    body,       // reading a request body
    complete,   // the request has been read, its response has not ended
    tunnel,     // opaque bytes
    lingering,  // the last response is out; what the client still sends is dropped until its end
    closed,
  };

  std::string_view read_head(std::string_view bytes);
  void accept_request(const http::RequestHead& head, std::string_view bytes, std::uint32_t head_ms);
  /// How long the head has been coming; nothing for one that came in one piece.
  std::uint32_t head_ms(bool in_parts) const;
  void refuse(http::BadRequest bad);
  std::string_view read_body(std::string_view bytes);
  void request_ended(std::span<http::Field> trailers);
  void response_ended();
  void next_request();
  void finish();
  void linger();
  void fail_stream(const http::StreamFailure& failure);
  void close();
  void on_timeout();
  std::uint64_t connection_written_bytes() const {
    return connection_.sent_bytes() + connection_.queued_bytes();
  }

  net::Connection& connection_;
  CodecScratch& scratch_;
  const ClientCodecSettings& settings_;
  http::StreamAcceptor& acceptor_;
  http::StreamReader* reader_ = nullptr;  // of the open stream
  MessageReader in_;
  BodyWriter body_out_;
  net::MemberTimer<ClientCodec, &ClientCodec::on_timeout> timer_{*this};
  std::uint64_t written_before_ = 0;  // by the connection, before the open stream
  std::uint32_t head_begun_ms_ = 0;   // the loop's clock, cut to 32 bits; of a head that comes in parts
  Phase phase_ = Phase::head;
  bool http10_ : 1 = false;         // the request's version
  bool head_request_ : 1 = false;   // the response has no body
  bool keep_alive_ : 1 = false;     // the connection may carry another request
  bool client_closes_ : 1 = false;  // by its own word no further request follows
  bool response_begun_ : 1 = false;
  bool response_done_ : 1 = false;
  bool draining_ : 1 = false;
  bool fresh_ : 1 = true;         // no request head has come yet
  bool first_ : 1 = false;        // the latest request is the connection's first
  bool half_closed_ : 1 = false;  // the client has ended its side
  bool write_ended_ : 1 = false;  // of a tunnel: our side has ended
};

}  // namespace azulb::http1
