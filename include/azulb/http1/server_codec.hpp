// HTTP/1 towards a server: one request out, its response in, and again if the connection persists.
#pragma once

#include <cstdint>
#include <span>

#include "azulb/http/server_codec.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http1/body_writer.hpp"
#include "azulb/http1/codec_scratch.hpp"
#include "azulb/http1/message_reader.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::http1 {

/// One stream at a time: the codec is its writer.
class ServerCodec final : public net::ConnectionHandler, public http::ServerCodec, public http::StreamWriter {
 public:
  ServerCodec(net::Connection& connection, CodecScratch& scratch, http::ServerCodecOwner& owner)
      : connection_(connection), scratch_(scratch), owner_(owner) {}

  // http::ServerCodec
  http::StreamWriter& open_stream(http::StreamReader& reader) override;
  Rest close_stream(http::StreamWriter* stream) override;
  std::uint32_t capacity() const override { return reusable() ? 1 : 0; }
  bool unprocessed(const http::StreamWriter&) const override { return nothing_sent(); }
  /// The last response's `Keep-Alive: timeout=N`.
  std::uint32_t idle_hint_s() const override { return keep_alive_timeout_s_; }
  void break_off() override;

  /// The stream has ended both ways and the connection can carry another.
  bool reusable() const { return phase_ == Phase::idle && connection_.open(); }
  /// No byte of the stream's request has been handed to the kernel.
  bool nothing_sent() const { return connection_.sent_bytes() <= sent_before_; }

  // ConnectionHandler
  void on_connected() override;
  std::size_t on_bytes(std::span<const char> bytes) override;
  void on_end() override;
  void on_failure(int system_error) override;
  void on_drained() override;

  // StreamWriter
  void write_request(const http::RequestHeadOut& head) override;
  void write_body(std::span<const char> bytes) override;
  void write_end(std::span<const http::Field> trailers) override;
  void flush() override { connection_.flush(); }
  void abort() override { break_off(); }
  void pause_reading() override { connection_.pause_reading(); }
  void resume_reading() override { connection_.resume_reading(); }
  std::size_t queued_bytes() const override { return connection_.queued_bytes(); }
  net::Connection* raw_connection() override { return connection_.tls() == nullptr ? &connection_ : nullptr; }
  std::uint64_t raw_readable_bytes() const override;
  std::uint64_t raw_writable_bytes() const override { return body_out_.raw_bytes(); }
  void raw_read(std::uint64_t size_bytes) override { in_.skip(size_bytes); }
  void raw_written(std::uint64_t size_bytes) override { body_out_.skip(size_bytes); }
  void end_raw_reading() override;

 private:
  enum class Phase : std::uint8_t {
    connecting,
    idle,    // no stream
    head,    // waiting for or reading a response head
    body,    // reading a response body
    tunnel,  // opaque bytes
    ended,   // the response is complete; the connection is not to be used again
  };

  /// Both sides of a tunnel have ended, but the server has not taken the last bytes yet.
  bool flushing() const {
    return phase_ == Phase::tunnel && write_ended_ && connection_.ended() && connection_.queued_bytes() > 0;
  }
  std::string_view read_head(std::string_view bytes);
  std::string_view read_body(std::string_view bytes);
  void response_ended(std::span<http::Field> trailers, bool more_follows);
  void fail(http::StreamFailure failure);

  net::Connection& connection_;
  CodecScratch& scratch_;
  http::ServerCodecOwner& owner_;
  http::StreamReader* reader_ = nullptr;
  MessageReader in_;
  BodyWriter body_out_;
  std::uint64_t sent_before_ = 0;  // and what is still to be sent of what was written before the stream
  std::uint64_t received_before_ = 0;
  std::uint32_t keep_alive_timeout_s_ = 0;
  http::Method method_ = http::Method::other;
  Phase phase_ = Phase::connecting;
  bool keep_alive_ : 1 = false;
  bool request_done_ : 1 = false;
  bool upgrade_wanted_ : 1 = false;
  bool large_before_ : 1 = false;
  bool write_ended_ : 1 = false;  // of a tunnel
};

}  // namespace azulb::http1
