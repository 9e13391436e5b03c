// One stream of an HTTP/2 connection, as far as both ends do alike: what came and has not been taken yet,
// what was written and has not left yet.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "azulb/base/buffer.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::http2 {

class Multiplexer;

struct OpenStreams;    // tags of the multiplexer's lists
struct StreamsToTell;  // whose readers are to be told something
struct StreamsToSend;  // that have bytes to send

/// Its reader is called from `tell` and, for a body that is taken as it comes, from `receive_body`. Lives
/// until nghttp2 has closed it and its user is done.
class Stream : public http::StreamWriter,
               public base::ListNode<OpenStreams>,
               public base::ListNode<StreamsToTell>,
               public base::ListNode<StreamsToSend>,
               protected net::Retired {
 public:
  std::int32_t id() const { return id_; }

  // From the multiplexer, as nghttp2 tells it.
  void receive_body(std::span<const char> bytes);
  void receive_end();
  /// nghttp2 has no such stream any more; the error code says why.
  void closed_by_session(std::uint32_t error_code);
  /// The next frame's worth of body, for nghttp2: its length, or NGHTTP2_ERR_DEFERRED.
  std::ptrdiff_t body_to_send(std::size_t room, std::uint32_t& flags);
  /// Those bytes; they stay until `output_settled`.
  std::span<const char> take_body(std::size_t size_bytes);
  /// The peer's window let but a few of the waiting bytes through.
  bool starved() const { return starved_; }
  /// All that was taken has left, or is queued by the connection.
  void output_settled();

  // From the codec.
  void receive_trailers(std::span<http::Field> trailers);
  /// A head has left.
  void head_sent() {
    if (heads_queued_ > 0 && --heads_queued_ == 0) head_bytes_queued_ = 0;
  }
  /// The written message's end has left.
  virtual void end_sent() { end_sent_ = true; }

  /// Tells the reader what there is to tell, out of nghttp2's callbacks.
  virtual void tell() = 0;
  /// Neither nghttp2 nor a user knows it any more.
  virtual bool over() const = 0;
  /// The connection ends, and the session is used no more.
  virtual void end_with_connection(const http::StreamFailure& failure) = 0;
  /// Goes back to its slab when the turn of the loop ends.
  void retire();

  // StreamWriter
  void write_body(std::span<const char> bytes) override;
  void flush() override;
  void pause_reading() override { paused_ = true; }
  void resume_reading() override;
  std::size_t queued_bytes() const override { return out_.size() - taken_bytes_ + head_bytes_queued_; }
  net::Connection* raw_connection() override { return nullptr; }
  std::uint64_t raw_readable_bytes() const override { return 0; }
  std::uint64_t raw_writable_bytes() const override { return 0; }
  void raw_read(std::uint64_t) override {}
  void raw_written(std::uint64_t) override {}
  void end_raw_reading() override {}

 protected:
  Stream(Multiplexer& multiplexer, std::int32_t id) : multiplexer_(multiplexer), id_(id) {}

  // The end's own part.
  /// What comes of the body is for the reader, now or later; else it is dropped.
  virtual bool wants_body() const = 0;
  /// ... but not yet.
  virtual bool holds_body() const = 0;
  /// More or less came than was announced.
  virtual void length_mismatched() = 0;
  /// Closed before both ends had ended it.
  virtual void broken_off(std::uint32_t error_code) = 0;
  /// Once the reader has been told the end, it is told nothing more.
  virtual bool reader_done_at_end() const = 0;
  /// Took no bytes for the send timeout, or whatever else the timer was started for.
  virtual void on_timeout() = 0;

  void tell_body();
  void tell_end();
  void fail(const http::StreamFailure& failure);
  void fail_later(const http::StreamFailure& failure);
  void reset(std::uint32_t error_code);
  void head_added(std::size_t text_bytes);
  /// The writer's last word on the body.
  void end_body(std::span<const http::Field> trailers);
  void drop_input();
  bool write_closed() const { return muted_ || closed_by_session_; }
  /// What nghttp2 is to fetch the body with.
  nghttp2_data_provider body_provider();

  Multiplexer& multiplexer_;
  http::StreamReader* reader_ = nullptr;
  base::Buffer in_;
  base::Buffer out_;
  http::StoredFields trailers_in_;
  http::StoredFields trailers_out_;
  net::MemberTimer<Stream, &Stream::on_timeout> timer_{*this};  // of sending
  std::uint64_t declared_bytes_ = no_length;                    // the incoming message's content-length
  std::uint64_t received_bytes_ = 0;                            // of its body
  std::uint64_t remaining_bytes_ = no_length;                   // of the written message's content-length
  std::uint64_t written_bytes_ = 0;
  std::int32_t id_;
  std::uint32_t taken_bytes_ = 0;  // at the front of out_
  std::uint32_t head_bytes_queued_ = 0;
  std::uint16_t heads_queued_ = 0;
  http::StreamFailure failure_;
  bool paused_ = false;
  bool peer_ended_ = false;  // its message is complete
  bool end_told_ = false;
  bool bodyless_ = false;  // what is written ends with its head
  bool write_ended_ = false;
  bool end_sent_ = false;
  bool tunnel_ = false;
  bool starved_ = false;
  bool deferred_ = false;   // nghttp2 waits for more of the body
  bool above_low_ = false;  // on_writable is due when it no longer is
  bool writable_ = false;   // on_writable is to be told
  bool muted_ = false;      // reset or closed: nothing more is sent
  bool failed_ = false;     // `failure_` is to be told
  bool closed_by_session_ = false;
  bool retired_ = false;

  static constexpr std::uint64_t no_length = UINT64_MAX;

 private:
  void body_added();
};

}  // namespace azulb::http2
