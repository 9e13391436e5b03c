// One stream of a client's HTTP/2 connection: a request that comes, a response that is written.
#pragma once

#include <cstdint>
#include <span>

#include "azulb/base/slab.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http2/stream.hpp"

namespace azulb::http2 {

class ClientCodec;

class ClientStream final : public Stream {
 public:
  /// `slab` is where it lives.
  ClientStream(ClientCodec& codec, base::Slab<ClientStream>& slab, std::int32_t id);

  // From the codec, as nghttp2 tells it.
  /// The head has come; whether it can be a request says `request.defect`.
  void receive_request(http::BadRequest request, bool websocket);
  /// The head did not come in time; a stream that waits for its trailers fails.
  void receive_late_head(http::BadRequest request);
  /// What came is malformed: the stream is reset, and its reader told of a request that was refused.
  void refuse(http::BadRequest request);
  /// The message is malformed: the stream is reset, its reader told.
  void fail_malformed(http::Defect defect);
  void end_sent() override;

  void tell() override;
  bool over() const override { return closed_by_session_ && reader_ == nullptr && told_; }
  void end_with_connection(const http::StreamFailure& failure) override;

  // StreamWriter
  void write_response(const http::ResponseHeadOut& head) override;
  void write_end(std::span<const http::Field> trailers) override;
  void abort() override;
  std::uint64_t written_bytes() const override { return written_bytes_; }

 private:
  void reclaim() override;
  bool wants_body() const override { return !refused_ && (reader_ != nullptr || !told_); }
  bool holds_body() const override { return !told_ || awaits_tunnel(); }
  void length_mismatched() override;
  void broken_off(std::uint32_t error_code) override;
  bool reader_done_at_end() const override { return tunnel_ && write_ended_; }
  void on_timeout() override;

  void open();
  void release_reader();
  void write_interim(const http::ResponseHeadOut& head);
  /// What a client sends before its WebSocket is open is the tunnel's, as over HTTP/1: it waits, the end too.
  bool awaits_tunnel() const { return websocket_ && !tunnel_; }

  ClientCodec& codec_;
  base::Slab<ClientStream>& slab_;
  http::BadRequest request_;  // until it has been told
  bool told_ = false;         // of the request
  bool refused_ = false;      // told of as a bad request: of its body nothing is told
  bool websocket_ = false;    // the request would open one
  bool head_request_ = false;
  bool final_head_written_ = false;
};

}  // namespace azulb::http2
