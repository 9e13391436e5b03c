// One stream of a client's HTTP/2 connection: what came and has not been taken yet, what was written and has
// not left yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "azulb/base/buffer.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/slab.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::http2 {

class ClientCodec;

struct OpenStreams;    // tags of the codec's lists
struct StreamsToTell;  // whose readers are to be told something
struct StreamsToSend;  // that have bytes to send

/// Its reader is called from `tell` and, for a body that is taken as it comes, from `receive_body`. Lives
/// until nghttp2 has closed it and its reader is done.
class ClientStream final : public http::StreamWriter,
                           public base::ListNode<OpenStreams>,
                           public base::ListNode<StreamsToTell>,
                           public base::ListNode<StreamsToSend>,
                           private net::Retired {
 public:
  /// `slab` is where it lives.
  ClientStream(ClientCodec& codec, base::Slab<ClientStream>& slab, std::int32_t id)
      : codec_(codec), slab_(slab), id_(id) {}

  std::int32_t id() const { return id_; }

  // From the codec, as nghttp2 tells it.
  /// The head has come; whether it can be a request says `request.defect`.
  void receive_request(http::BadRequest request, bool websocket);
  /// What came is malformed: the stream is reset, and its reader told of a request that was refused.
  void refuse(http::BadRequest request);
  /// The head did not come in time; a stream that waits for its trailers fails.
  void receive_late_head(http::BadRequest request);
  void receive_body(std::span<const char> bytes);
  void receive_trailers(std::span<http::Field> trailers);
  void receive_end();
  /// nghttp2 has no such stream any more.
  void closed_by_session();
  /// A head has left.
  void head_sent() {
    if (heads_queued_ > 0 && --heads_queued_ == 0) head_bytes_queued_ = 0;
  }
  /// The next frame's worth of body, for nghttp2: its length, or NGHTTP2_ERR_DEFERRED.
  std::ptrdiff_t body_to_send(std::size_t room, std::uint32_t& flags);
  /// Those bytes; they stay until `output_settled`.
  std::span<const char> take_body(std::size_t size_bytes);
  /// All that was taken has left, or is queued by the connection.
  void output_settled();
  /// The response's end has left.
  void end_sent();

  /// Tells the reader what there is to tell, out of nghttp2's callbacks.
  void tell();
  /// The connection ends, and the session is used no more.
  void end_with_connection(const http::StreamFailure& failure);
  /// Goes back to its slab when the turn of the loop ends.
  void retire();
  /// The message is malformed: the stream is reset, its reader told.
  void fail_malformed(http::Defect defect);
  /// Neither nghttp2 nor a reader knows it any more.
  bool over() const { return closed_by_session_ && reader_ == nullptr && told_; }

  // StreamWriter
  void write_response(const http::ResponseHeadOut& head) override;
  void write_body(std::span<const char> bytes) override;
  void write_end(std::span<const http::Field> trailers) override;
  void flush() override;
  void abort() override;
  void pause_reading() override { paused_ = true; }
  void resume_reading() override;
  std::size_t queued_bytes() const override { return out_.size() - taken_bytes_ + head_bytes_queued_; }
  std::uint64_t written_bytes() const override { return written_bytes_; }
  net::Connection* raw_connection() override { return nullptr; }
  std::uint64_t raw_readable_bytes() const override { return 0; }
  std::uint64_t raw_writable_bytes() const override { return 0; }
  void raw_read(std::uint64_t) override {}
  void raw_written(std::uint64_t) override {}
  void end_raw_reading() override {}

 private:
  void reclaim() override;
  void open();
  void tell_body();
  void tell_end();
  void fail(const http::StreamFailure& failure);
  void release_reader();
  void reset(std::uint32_t error_code);
  void write_interim(const http::ResponseHeadOut& head);
  void head_added(std::size_t text_bytes);
  void body_added();
  void drop_input();
  void on_timeout();
  /// What a client sends before its WebSocket is open is the tunnel's, as over HTTP/1: it waits, the end too.
  bool awaits_tunnel() const { return websocket_ && !tunnel_; }

  ClientCodec& codec_;
  base::Slab<ClientStream>& slab_;
  http::StreamReader* reader_ = nullptr;
  http::BadRequest request_;  // until it has been told
  base::Buffer in_;
  base::Buffer out_;
  http::StoredFields trailers_in_;
  http::StoredFields trailers_out_;
  net::MemberTimer<ClientStream, &ClientStream::on_timeout> timer_{*this};
  std::uint64_t declared_bytes_ = no_length;   // the request's content-length
  std::uint64_t received_bytes_ = 0;           // of its body
  std::uint64_t remaining_bytes_ = no_length;  // of the response's content-length
  std::uint64_t written_bytes_ = 0;
  const std::int32_t id_;
  std::uint32_t taken_bytes_ = 0;  // at the front of out_
  std::uint32_t head_bytes_queued_ = 0;
  std::uint16_t heads_queued_ = 0;
  http::StreamFailure failure_;
  bool told_ = false;       // of the request
  bool refused_ = false;    // told of as a bad request: of its body nothing is told
  bool websocket_ = false;  // the request would open one
  bool head_request_ = false;
  bool paused_ = false;
  bool request_ended_ = false;
  bool end_told_ = false;
  bool final_head_written_ = false;
  bool bodyless_ = false;  // the response ended with its head
  bool write_ended_ = false;
  bool end_sent_ = false;
  bool tunnel_ = false;
  bool deferred_ = false;   // nghttp2 waits for more of the body
  bool above_low_ = false;  // on_writable is due when it no longer is
  bool writable_ = false;   // on_writable is to be told
  bool muted_ = false;      // reset or closed: nothing more is sent
  bool failed_ = false;     // `failure_` is to be told
  bool closed_by_session_ = false;

  static constexpr std::uint64_t no_length = UINT64_MAX;
};

}  // namespace azulb::http2
