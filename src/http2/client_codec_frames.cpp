// What nghttp2 tells, frame by frame: streams begin and go on here, floods are seen here.
#include <array>

#include "azulb/http/framing.hpp"
#include "azulb/http2/client_codec.hpp"

namespace azulb::http2 {

using http::Defect;
using http::Flood;

namespace {

// A late header block is decoded all the same: so many bytes of it cost about as much as a frame.
constexpr std::size_t late_unit_bytes = 256;
// An honest stream of gRPC may carry nothing but messages as small as their prefix, however fast they come:
// their cost is bounded by the frames that a turn takes.
constexpr std::size_t small_message_bytes = 5;

/// A nonce as RFC 6455 section 4.1 wants it: 16 bytes in base64.
std::array<char, 24> make_websocket_key(base::Random& random) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<char, 24> key;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 22; ++i, bits >>= 6U) {
    if (i % 10 == 0) bits = random.next();
    // The last digit's low four bits are beyond the 16 bytes.
    key[i] = digits[i < 21 ? bits & 63U : bits & 48U];
  }
  key[22] = key[23] = '=';
  return key;
}

/// Frames of the client made us say this; what we say of our own accord is no fault of its.
bool is_clients_fault(std::uint32_t error_code) {
  return error_code != NGHTTP2_NO_ERROR && error_code != NGHTTP2_INTERNAL_ERROR &&
         error_code != NGHTTP2_CANCEL;
}

}  // namespace

/// RFC 9113 sections 5.1 and 5.1.1. nghttp2 remembers no closed streams and ignores what comes for them.
void ClientCodec::judge_stream_id(std::int32_t stream_id, std::size_t length) {
  switch (history_.past(stream_id)) {
    case StreamHistory::Past::unknown:
      if (!history_.later_than_all(stream_id) && stream_of(stream_id) == nullptr) {
        allow(Flood::late_frame, 1 + static_cast<std::uint32_t>(length / late_unit_bytes));
      }
      return;
    case StreamHistory::Past::skipped:
      return cut_off(NGHTTP2_PROTOCOL_ERROR);
    case StreamHistory::Past::ended:
      if (stream_of(stream_id) == nullptr) cut_off(NGHTTP2_STREAM_CLOSED);
      return;
  }
}

void ClientCodec::frame_begins(const nghttp2_frame_hd& frame) {
  const bool acknowledges = (frame.flags & NGHTTP2_FLAG_ACK) != 0;
  switch (frame.type) {
    case NGHTTP2_HEADERS:
      judge_stream_id(frame.stream_id, frame.length);
      history_.opened(frame.stream_id);
      break;
    case NGHTTP2_RST_STREAM:
      allow(Flood::reset);
      break;
    case NGHTTP2_PING:
      if (!acknowledges || !draining_) allow(Flood::ping);
      break;
    case NGHTTP2_SETTINGS:
      if (!acknowledges) allow(Flood::settings);
      break;
    case NGHTTP2_GOAWAY:
      allow(Flood::goaway);
      break;
    case NGHTTP2_WINDOW_UPDATE:
      allow(Flood::window_update);
      break;
    default:
      break;
  }
}

void ClientCodec::headers_begin(const nghttp2_frame& frame) {
  block_stream_ = nullptr;
  const std::int32_t id = frame.hd.stream_id;
  if (frame.headers.pri_spec.stream_id == id) cut_off(NGHTTP2_PROTOCOL_ERROR);  // RFC 7540 section 5.3.1
  if (cut_off_) return;
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    ClientStream& stream = scratch_.client_streams.create(*this, scratch_.client_streams, id);
    streams_.push_back(stream);
    nghttp2_session_set_stream_user_data(session(), id, static_cast<Stream*>(&stream));
    // Streams take turns, so that a large answer does not hold up the small ones behind it.
    nghttp2_extpri turns{.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    nghttp2_session_change_extpri_stream_priority(session(), id, &turns, 1);
    block_stream_ = &stream;
    block_.begin_request(settings_.limits);
  } else {
    block_stream_ = stream_of(id);
    block_.begin_trailers();
  }
  block_begun_ms_ = static_cast<std::uint32_t>(loop().now_ms());
  if (wait_ == Wait::head) wait_ = Wait::none;  // the timer runs for a block before this one
}

void ClientCodec::frame_received(const nghttp2_frame& frame, bool ended) {
  if (ended || frame.hd.type == NGHTTP2_RST_STREAM) history_.ended_by_client(frame.hd.stream_id);
  if (frame.hd.type == NGHTTP2_PING && (frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 && draining_)
    no_more_requests();
  if (ended || frame.hd.type != NGHTTP2_DATA) return;
  const std::size_t payload_bytes = frame.hd.length - frame.data.padlen;
  if (payload_bytes > 0 && payload_bytes < small_message_bytes) allow(Flood::tiny_data);
}

void ClientCodec::head_received(Stream& incoming, const nghttp2_frame& frame, bool ended) {
  auto& stream = static_cast<ClientStream&>(incoming);
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) return request_received(stream, ended);
  const Defect defect = block_.finish_trailers(scratch_.fields);
  if (defect != Defect::none || !ended) {
    stream.fail_malformed(ended ? defect : Defect::length_mismatch);
  } else {
    stream.receive_trailers(scratch_.fields.fields());
  }
}

void ClientCodec::request_received(ClientStream& stream, bool ended) {
  std::array<char, 24> key{};
  if (block_.names_protocol()) key = make_websocket_key(*settings_.random);
  http::RequestHead head;
  const Defect defect = block_.finish_request(
      {.ended = ended, .websocket_key = std::string_view(key.data(), key.size())}, scratch_.fields, head);
  http::BadRequest request{.defect = defect, .head_ms = head_ms(), .request = {}};
  if (block_.malformed()) return stream.refuse(std::move(request));
  if (defect == Defect::none) {
    request.request = http::StoredRequest(head, block_.text());
    http::Request& stored = *request.request;
    stored.head_bytes = block_wire_bytes_;
    stored.head_ms = request.head_ms;
    stored.version = "HTTP/2.0";
    request.defect = judge_request(stored.head, stored.info);
    // With a body it would not be an upgrade towards the server.
    if (request.defect == Defect::none && block_.websocket() && !stored.info.websocket) {
      request.defect = Defect::bad_content_length;
    }
  }
  stream.receive_request(std::move(request), block_.websocket());
}

std::uint32_t ClientCodec::head_ms() const {
  return static_cast<std::uint32_t>(connection_.loop().now_ms()) - block_begun_ms_;
}

void ClientCodec::head_timed_out(ClientStream& stream) {
  block_stream_ = nullptr;
  stream.receive_late_head({.head_ms = head_ms(), .timed_out = true, .request = {}});
  cut_off(NGHTTP2_ENHANCE_YOUR_CALM);
  work();
}

/// Whether the client may be told of its error at once. One that comes back with an error again and again
/// costs a connection each time.
bool ClientCodec::tolerates(std::uint32_t error_code) {
  if (settings_.shared_guard->allows(Flood::connection_error, loop().now_ms())) return true;
  flood(Flood::connection_error);
  end_code_ = error_code;
  return false;
}

bool ClientCodec::lets_go(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_GOAWAY || !is_clients_fault(frame.goaway.error_code)) return true;
  return !flooded_ && tolerates(frame.goaway.error_code);
}

void ClientCodec::frame_sent(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_RST_STREAM:
      if (is_clients_fault(frame.rst_stream.error_code)) allow(Flood::bad_frame);
      return;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
      break;
    default:
      return;
  }
  Stream* const stream = stream_of(frame.hd.stream_id);
  if (stream == nullptr) return;
  if (frame.hd.type == NGHTTP2_HEADERS) {
    stream->head_sent();
  } else if (!stream->starved()) {
    guard_.expect(Flood::window_update, 2);  // of the stream and of the connection
    guard_.expect(Flood::ping, 1);           // gRPC measures the path so
  }
  if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) stream->end_sent();
}

}  // namespace azulb::http2
