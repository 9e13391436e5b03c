// One stream of an HTTP/2 connection to a server: a request that is written, a response that comes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "azulb/base/slab.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http2/stream.hpp"

namespace azulb::http2 {

class HeaderBlock;
class ServerCodec;

/// Has a reader until the response has been told whole, has failed, or its user has gone. The head is told as
/// it comes, within nghttp2's callback; if reading is paused then, later.
class ServerStream final : public Stream {
 public:
  /// `slab` is where it lives. `received_bytes`: of the connection so far.
  ServerStream(ServerCodec& codec, base::Slab<ServerStream>& slab, http::StreamReader& reader,
               std::uint64_t received_bytes);

  // From the codec.
  /// A head, interim or not, or trailers.
  void receive_head(HeaderBlock& block, http::FieldList& fields, bool ended);
  bool head_received() const { return head_received_; }
  /// The request's head has left.
  void request_sent() { request_sent_ = true; }
  /// There is no connection for it (any more).
  void fail_unsent();
  /// Its user goes: what has not ended both ways is cancelled.
  void close();
  /// Provably the server has not acted upon the request.
  bool unprocessed() const { return !request_sent_ || refused_; }

  void tell() override;
  bool over() const override { return closed_by_session_ && closed_; }
  void end_with_connection(const http::StreamFailure& failure) override;

  // StreamWriter
  void write_request(const http::RequestHeadOut& head) override;
  void write_end(std::span<const http::Field> trailers) override;
  void abort() override;

 private:
  void reclaim() override;
  bool wants_body() const override { return reader_ != nullptr && body_comes_; }
  bool holds_body() const override { return head_held_; }
  void length_mismatched() override;
  void broken_off(std::uint32_t error_code) override;
  bool reader_done_at_end() const override { return !tunnel_ || write_ended_; }
  void on_timeout() override;

  void receive_response(HeaderBlock& block, http::FieldList& fields, bool ended);
  void receive_trailer_block(HeaderBlock& block, http::FieldList& fields, bool ended);
  http::Defect judge(const http::ResponseHead& head, bool ended, http::ResponseInfo& info) const;
  void tell_held_head();
  void fail_malformed(http::Defect defect);
  /// Not one byte has come over the connection since the stream was opened.
  bool unanswered() const;

  ServerCodec& codec_;
  base::Slab<ServerStream>& slab_;
  const std::uint64_t received_before_;
  std::array<char, 24> websocket_key_{};
  http::StoredFields held_fields_;  // of a head that came while reading was paused
  http::ResponseInfo held_info_;
  int held_status_ = 0;
  http::Method method_ = http::Method::other;
  bool websocket_ = false;
  bool submitted_ = false;
  bool request_sent_ = false;
  bool head_received_ = false;  // the final one
  bool head_held_ = false;
  bool body_comes_ = false;  // what DATA brings belongs to the response
  bool refused_ = false;     // the server says that it has not acted upon the request
  bool closed_ = false;      // its user has gone
};

}  // namespace azulb::http2
