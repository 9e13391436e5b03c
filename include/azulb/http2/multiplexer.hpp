// What both ends of HTTP/2 do alike: nghttp2's session takes frames apart and makes them, streams' readers
// are told, windows are kept, and frames that cost more to take than to send are bounded.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "azulb/base/intrusive_list.hpp"
#include "azulb/http/flood.hpp"
#include "azulb/http2/codec_scratch.hpp"
#include "azulb/http2/flood_guard.hpp"
#include "azulb/http2/frame_scanner.hpp"
#include "azulb/http2/header_block.hpp"
#include "azulb/http2/session.hpp"
#include "azulb/http2/stream.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::http2 {

/// The base of both codecs. Readers are told out of nghttp2's callbacks, but of a body that is taken as it
/// comes (and of a response's head); what was written leaves at the end of the loop's turn, in one write.
class Multiplexer : public net::ConnectionHandler, protected net::Deferred {
 public:
  Multiplexer(const Multiplexer&) = delete;
  Multiplexer& operator=(const Multiplexer&) = delete;

 protected:
  enum class Phase : std::uint8_t {
    open,
    held,       // the peer has flooded us: nothing is read or said for a while
    lingering,  // all is said; what the peer still sends is dropped until its end
    closed,
  };

  /// So much is kept for paused streams before they hold up the connection.
  Multiplexer(net::Connection& connection, CodecScratch& scratch, End end, std::size_t header_bytes_limit,
              std::size_t held_bytes_limit);
  ~Multiplexer() override;

  /// Says what is first to be said: our settings, and the connection's window.
  void begin(std::span<const nghttp2_settings_entry> settings);
  /// Feeds nghttp2 with as many frames as a turn may take: how many bytes that were. With more to come
  /// reading pauses until `read_on`.
  std::size_t feed(std::span<const char> bytes);
  /// In a later turn than `feed`, or deferred.
  void read_on();
  void tell_streams();
  /// Ends every stream without a frame; `failure` is told to those who still listen. Those stay that are not
  /// `over` with that.
  void end_streams(const http::StreamFailure& failure);
  /// As far as the socket takes them; negative when the session can't go on.
  int produce_frames();
  /// For what nghttp2 can no longer say itself.
  void say_goodbye(std::int32_t last_stream_id, std::uint32_t error_code);
  /// Nothing more is to be read or written.
  bool all_said() {
    return nghttp2_session_want_read(session()) == 0 && nghttp2_session_want_write(session()) == 0;
  }
  void allow(http::Flood kind, std::uint32_t count = 1);
  void flood(http::Flood kind);
  /// Nothing more is read; the last GOAWAY says why.
  void cut_off(std::uint32_t error_code);
  void begin_block(Stream* stream) { block_stream_ = stream; }

  /// Null if nghttp2 knows no such stream, or no longer.
  Stream* stream_of(std::int32_t stream_id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session(), stream_id));
  }

  // The codec's part.
  /// Something is to be told, sent or ended: at the end of the loop's turn, and when the socket is no longer
  /// behind.
  virtual void work() = 0;
  /// Called by `work` alone, which ends the connection with it; never from within a writer.
  virtual void session_failed(int error) = 0;
  /// Counts one that ended the connection.
  virtual void count_flood(http::Flood kind) = 0;
  virtual void punish() { cut_off(NGHTTP2_ENHANCE_YOUR_CALM); }
  /// A frame of ours is about to be sent. False: it is not.
  virtual bool lets_go(const nghttp2_frame& /*frame*/) { return true; }
  virtual void frame_begins(const nghttp2_frame_hd& frame) = 0;
  virtual void headers_begin(const nghttp2_frame& frame) = 0;
  /// `block_` holds what came for `stream`.
  virtual void head_received(Stream& stream, const nghttp2_frame& frame, bool ended) = 0;
  /// Any whole frame, after what is common to both ends.
  virtual void frame_received(const nghttp2_frame& frame, bool ended) = 0;
  virtual void frame_sent(const nghttp2_frame& frame) = 0;
  /// A DATA frame, whether or not its stream is known. `length` is what it costs besides being one.
  virtual void judge_stream_id(std::int32_t /*stream_id*/, std::size_t /*length*/) {}

  net::Connection& connection_;
  CodecScratch& scratch_;
  Session session_;
  HeaderBlock block_;               // the one that is coming
  Stream* block_stream_ = nullptr;  // whose it is; null: nobody's that matters
  base::IntrusiveList<Stream, OpenStreams> streams_;
  FloodGuard guard_;
  std::size_t block_wire_bytes_ = 0;
  Phase phase_ = Phase::open;
  int session_error_ = 0;  // nghttp2's: the session can't go on
  bool cut_off_ = false;
  bool flooded_ = false;

  static constexpr std::size_t frame_head_bytes = 9;

  // For the streams, and for the codec.
 public:
  /// Frames for what has been written, as far as the socket takes it.
  void produce();
  nghttp2_session* session() { return session_.get(); }
  net::Loop& loop() { return connection_.loop(); }
  MessageFields& message_fields() { return scratch_.message; }
  /// A stream must take bytes at least so often.
  virtual net::TimerList& send_timeout() = 0;
  void to_tell(Stream& stream);
  void to_send(Stream& stream);
  void wants_work() { loop().defer(*this); }
  // The connection's window: no stream that is paused holds it up, until very much is held.
  void body_taken(std::size_t size_bytes) { nghttp2_session_consume_connection(session(), size_bytes); }
  void body_held(std::size_t size_bytes);
  void held_body_taken(std::size_t size_bytes);

 private:
  friend struct SessionCallbacks;
  void on_deferred() override;
  std::size_t feed_frames(std::span<const char> bytes);
  void forget(Stream& stream);
  void judge_frame(const FrameScanner::Frame& frame);

  // As nghttp2 tells it; nothing is returned to it but 0, unless it is to stop.
  void frame_head_received(const nghttp2_frame_hd& frame);
  bool field_received(std::string_view name, std::string_view value);
  void whole_frame_received(const nghttp2_frame& frame);
  void body_received(std::int32_t stream_id, std::span<const char> bytes);
  void stream_closed(std::int32_t stream_id, std::uint32_t error_code);
  void send_body(Stream& stream, const std::uint8_t* frame_head, std::size_t size_bytes);

  base::IntrusiveList<Stream, StreamsToTell> to_tell_;
  base::IntrusiveList<Stream, StreamsToSend> to_send_;
  FrameScanner scanner_;
  const std::size_t continuations_limit_;
  const std::size_t held_bytes_limit_;
  std::size_t continuations_ = 0;     // of the block
  std::size_t held_bytes_ = 0;        // received for streams that are paused
  std::size_t unconsumed_bytes_ = 0;  // of the connection's window, as too much is held
  bool receiving_ = false;            // within nghttp2_session_mem_recv
  bool producing_ = false;
  bool reading_later_ = false;       // the rest of what has come, in the next turn
  bool taken_by_reference_ = false;  // what was written shows into streams' buffers
};

}  // namespace azulb::http2
