#include "azulb/http2/server_codec.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace azulb::http2 {

using http::Defect;
using http::Flood;
using http::StreamFailure;

namespace {

constexpr std::string_view http2_protocol = "h2";  // in ALPN
// All that may come for all streams: were the connection's window withheld, clients that read slowly would
// hold up all the others that share the connection.
constexpr std::size_t held_bytes_limit = std::size_t{most_server_streams} * NGHTTP2_INITIAL_WINDOW_SIZE;
constexpr std::int64_t lately_ms = 1000;
// A server of gRPC ends the connection at the fourth PING between two messages of its own.
constexpr std::uint32_t most_unanswered_asks = 2;

}  // namespace

ServerCodec::ServerCodec(net::Connection& connection, CodecScratch& scratch,
                         const ServerCodecSettings& settings, http::ServerCodecOwner& owner)
    : Multiplexer(connection, scratch, End::to_server, response_head_limits.header_bytes, held_bytes_limit),
      settings_(settings),
      owner_(owner) {}

// ---- what the owner asks

http::StreamWriter& ServerCodec::open_stream(http::StreamReader& reader) {
  ServerStream& stream =
      scratch_.server_streams.create(*this, scratch_.server_streams, reader, received_bytes());
  streams_.push_back(stream);
  if (phase_ != Phase::open) {
    stream.fail_unsent();
  } else {
    update_timer();
  }
  return stream;
}

http::ServerCodec::Rest ServerCodec::close_stream(http::StreamWriter* stream) {
  if (stream != nullptr) static_cast<ServerStream*>(stream)->close();
  return capacity() > 0 ? Rest::usable : Rest::used_up;
}

std::uint32_t ServerCodec::capacity() const {
  const bool open = phase_ == Phase::open && !cut_off_ && !going_away_ && settings_received_;
  if (!open || nghttp2_session_check_request_allowed(session_.get()) == 0) return 0;
  return std::min(most_server_streams, nghttp2_session_get_remote_settings(
                                           session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
}

bool ServerCodec::unprocessed(const http::StreamWriter& stream) const {
  return static_cast<const ServerStream&>(stream).unprocessed();
}

bool ServerCodec::takes_websocket() const {
  return nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

bool ServerCodec::heard_lately() const {
  return connection_.loop().now_ms() - heard_ms_ <= lately_ms;
}

bool ServerCodec::check() {
  checking_ = phase_ == Phase::open && (asked_ms_ != 0 || ask());
  return checking_;
}

bool ServerCodec::ask() {
  if (unanswered_asks_ >= most_unanswered_asks) return false;
  ++unanswered_asks_;
  asked_ms_ = loop().now_ms();
  nghttp2_submit_ping(session(), NGHTTP2_FLAG_NONE, nullptr);
  wants_work();
  update_timer();
  return true;
}

void ServerCodec::break_off() {
  // A GOAWAY out of courtesy, where it is a frame of its own.
  const bool sayable = phase_ == Phase::open && connection_.open() && connection_.queued_bytes() == 0;
  cut_off_ = true;
  phase_ = Phase::closed;
  timer_.stop();
  streams_.for_each([](Stream& stream) { static_cast<ServerStream&>(stream).close(); });
  end_streams({.kind = StreamFailure::Kind::closed});
  cancel();
  if (sayable && standing_) {
    say_goodbye(0, NGHTTP2_NO_ERROR);
  } else {
    // What has not left yet must not leave any more: the requests may be on their way elsewhere already.
    loop().gather().discard(connection_);
  }
  connection_.close();
}

// ---- the connection's life

void ServerCodec::on_connected() {
  if (connection_.tls() != nullptr && connection_.tls()->application_protocol() != http2_protocol) {
    failure_ = "the server did not choose HTTP/2 (ALPN \"h2\")";
    return end({}, EPROTO);
  }
  owner_.write_preamble();
  heard_ms_ = loop().now_ms();
  const std::array<nghttp2_settings_entry, 3> entries = {{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(response_head_limits.header_bytes)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  begin(entries);
}

std::size_t ServerCodec::on_bytes(std::span<const char> bytes) {
  if (phase_ != Phase::open || cut_off_ || session_error_ != 0) return bytes.size();
  heard_ms_ = loop().now_ms();
  asked_ms_ = 0;
  const std::size_t taken = feed(bytes);
  if (phase_ == Phase::open && session_error_ == 0) {
    tell_owner();
    tell_streams();
  }
  if (phase_ != Phase::open || cut_off_) return bytes.size();
  update_timer();
  return taken;
}

/// Before the streams are told of their ends, so that what is tried again does not come back to a connection
/// that takes no more.
void ServerCodec::tell_owner() {
  if (!std::exchange(capacity_changed_, false)) return;
  if (standing_) return owner_.on_capacity_changed();
  if (going_away_) {
    failure_ = "the server says GOAWAY at once";
    return end({}, EPROTO);
  }
  if (capacity() == 0) return;  // it may be allowed later
  standing_ = true;
  owner_.on_connected();
}

void ServerCodec::work() {
  if (phase_ == Phase::open) read_on();
  tell_streams();
  produce();
  tell_streams();
  if (phase_ != Phase::open) return;
  if (session_error_ != 0 && !terminated_) session_failed(session_error_);
  if (terminated_) {
    connection_.flush();
    if (!standing_) failure_ = "the server does not speak HTTP/2";
    return end({.kind = StreamFailure::Kind::malformed, .defect = Defect::protocol_error}, EPROTO);
  }
  update_timer();
}

void ServerCodec::session_failed(int error) {
  if (error == NGHTTP2_ERR_FLOODED) count_flood(Flood::unread_reply);
  cut_off_ = terminated_ = true;
  say_goodbye(0, NGHTTP2_INTERNAL_ERROR);
}

void ServerCodec::count_flood(Flood kind) {
  if (settings_.floods != nullptr) (*settings_.floods)[static_cast<std::size_t>(kind)].add();
}

void ServerCodec::on_end() {
  end({.kind = StreamFailure::Kind::closed}, ECONNRESET);
}

void ServerCodec::on_failure(int system_error) {
  const auto kind = system_error == ETIMEDOUT ? StreamFailure::Kind::stalled : StreamFailure::Kind::closed;
  end({.kind = kind, .system_error = system_error}, system_error);
}

void ServerCodec::end(const StreamFailure& failure, int system_error) {
  if (phase_ != Phase::open) return;
  phase_ = Phase::closed;
  cut_off_ = true;
  checking_ = false;
  timer_.stop();
  if (!standing_) return owner_.on_connect_failure(system_error);
  // First, as above. With no stream in use it ends with this.
  owner_.on_capacity_changed();
  end_streams(failure);
}

void ServerCodec::update_timer() {
  const bool wanted = !streams_.empty() || asked_ms_ != 0 || checking_;
  if (!wanted) {
    timer_.stop();
  } else if (!timer_.running()) {
    settings_.silence_timeout->start(timer_);
  }
}

void ServerCodec::on_silence() {
  const std::int64_t now_ms = loop().now_ms();
  const std::int64_t limit_ms = settings_.silence_timeout->duration_ms();
  if (asked_ms_ != 0 && now_ms - asked_ms_ >= limit_ms)
    return end({.kind = StreamFailure::Kind::closed, .system_error = ETIMEDOUT}, ETIMEDOUT);
  if (asked_ms_ == 0 && checking_) {
    // It has said something, but not what it was asked: it is alive.
    checking_ = false;
    owner_.on_capacity_changed();
  } else if (asked_ms_ == 0 && now_ms - heard_ms_ >= limit_ms) {
    ask();
  }
  if (phase_ == Phase::open) update_timer();
}

// ---- what nghttp2 tells

void ServerCodec::frame_begins(const nghttp2_frame_hd& frame) {
  const bool acknowledges = (frame.flags & NGHTTP2_FLAG_ACK) != 0;
  switch (frame.type) {
    case NGHTTP2_RST_STREAM:
      // One of a stream in use costs the server as much as us.
      if (stream_of(frame.stream_id) == nullptr) allow(Flood::reset);
      break;
    case NGHTTP2_PING:
      if (!acknowledges) allow(Flood::ping);
      break;
    case NGHTTP2_SETTINGS:
      if (!acknowledges) allow(Flood::settings);
      break;
    case NGHTTP2_WINDOW_UPDATE:
      allow(Flood::window_update);
      break;
    default:
      break;
  }
}

void ServerCodec::headers_begin(const nghttp2_frame& frame) {
  block_stream_ = frame.hd.type == NGHTTP2_HEADERS ? stream_of(frame.hd.stream_id) : nullptr;
  if (block_stream_ == nullptr) return;
  if (static_cast<const ServerStream*>(block_stream_)->head_received()) {
    block_.begin_trailers();
  } else {
    block_.begin_response();
  }
}

void ServerCodec::head_received(Stream& stream, const nghttp2_frame&, bool ended) {
  static_cast<ServerStream&>(stream).receive_head(block_, scratch_.fields, ended);
}

void ServerCodec::frame_received(const nghttp2_frame& frame, bool) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
      unanswered_asks_ = 0;
      break;
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
      settings_received_ = capacity_changed_ = true;
      break;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 && std::exchange(checking_, false))
        capacity_changed_ = true;
      break;
    case NGHTTP2_GOAWAY:
      going_away_ = capacity_changed_ = true;
      checking_ = false;
      break;
    default:
      break;
  }
}

void ServerCodec::frame_sent(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_GOAWAY) terminated_ = true;  // none is sent but for what the server did wrong
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return;
  Stream* const stream = stream_of(frame.hd.stream_id);
  if (stream == nullptr) return;
  // A server may well answer each with a window for the stream and one for the connection, a PING to measure
  // the path by, and an empty frame to begin with.
  guard_.expect(Flood::window_update, 2);
  guard_.expect(Flood::ping, 1);
  guard_.expect(Flood::empty_frame, 1);
  if (frame.hd.type == NGHTTP2_HEADERS) {
    stream->head_sent();
    static_cast<ServerStream*>(stream)->request_sent();
  }
  if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) stream->end_sent();
}

}  // namespace azulb::http2
