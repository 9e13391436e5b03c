#include "azulb/http2/multiplexer.hpp"

#include <array>
#include <cstring>
#include <utility>

#include "azulb/base/assert.hpp"

namespace azulb::http2 {

using http::Flood;
using http::StreamFailure;

namespace {

// What may be on its way to us over all streams; each alone has 65,535 bytes, the protocol's initial window.
constexpr std::int32_t connection_window_bytes = 1024 * 1024;
// One frame carries 16 KiB of a header block: what the limits allow, and more for a peer that cuts small.
constexpr std::size_t frame_bytes = 16 * 1024;
constexpr std::size_t spare_continuations = 8;
// So many frames of one connection are taken in a turn, whatever has come: many small ones cost far more than
// their bytes, and other connections wait behind them.
constexpr std::uint32_t frames_per_turn = 128;

}  // namespace

Multiplexer::Multiplexer(net::Connection& connection, CodecScratch& scratch, End end,
                         std::size_t header_bytes_limit, std::size_t held_bytes_limit)
    : connection_(connection),
      scratch_(scratch),
      session_(make_session(*this, end)),
      scanner_(end),
      continuations_limit_(header_bytes_limit / frame_bytes + spare_continuations),
      held_bytes_limit_(held_bytes_limit) {}

Multiplexer::~Multiplexer() {
  AZULB_ASSERT(streams_.empty());
}

void Multiplexer::begin(std::span<const nghttp2_settings_entry> settings) {
  nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, connection_window_bytes);
  wants_work();
}

// ---- what comes

std::size_t Multiplexer::feed(std::span<const char> bytes) {
  receiving_ = true;
  const std::size_t taken = feed_frames(bytes);
  receiving_ = false;
  wants_work();  // what all this leads to leaves in one write, at the end of the turn
  if (cut_off_ || session_error_ != 0 || phase_ != Phase::open) return bytes.size();
  if (taken < bytes.size()) {
    reading_later_ = true;
    connection_.pause_reading();
  }
  return taken;
}

void Multiplexer::read_on() {
  if (std::exchange(reading_later_, false)) connection_.resume_reading();
}

std::size_t Multiplexer::feed_frames(std::span<const char> bytes) {
  scanner_.allow_frames(frames_per_turn);
  std::size_t taken = 0;
  while (taken < bytes.size() && !cut_off_ && phase_ == Phase::open) {
    const std::span<const char> rest = bytes.subspan(taken);
    const std::size_t run = scanner_.scan(rest);
    if (run > 0) {
      const ssize_t status =
          nghttp2_session_mem_recv(session(), reinterpret_cast<const std::uint8_t*>(rest.data()), run);
      if (status < 0) session_error_ = static_cast<int>(status);
    }
    taken += run;
    if (session_error_ != 0 || !scanner_.found()) break;
    if (!cut_off_) judge_frame(scanner_.frame());
  }
  return taken;
}

void Multiplexer::on_deferred() {
  work();
}

void Multiplexer::allow(Flood kind, std::uint32_t count) {
  if (!cut_off_ && !guard_.allows(kind, loop().now_ms(), count)) flood(kind);
}

void Multiplexer::flood(Flood kind) {
  if (flooded_) return;
  count_flood(kind);
  punish();
}

void Multiplexer::cut_off(std::uint32_t error_code) {
  if (cut_off_) return;
  cut_off_ = true;
  nghttp2_session_terminate_session(session(), error_code);
  wants_work();
}

void Multiplexer::judge_frame(const FrameScanner::Frame& frame) {
  switch (frame.type) {
    case NGHTTP2_DATA:
      if (frame.length == 0 && (frame.flags & NGHTTP2_FLAG_END_STREAM) == 0) allow(Flood::empty_frame);
      judge_stream_id(frame.stream_id, 0);
      break;
    case NGHTTP2_CONTINUATION:
      block_wire_bytes_ += frame_head_bytes + frame.length;
      if (++continuations_ > continuations_limit_) flood(Flood::continuation);
      break;
    case NGHTTP2_PRIORITY:
      allow(Flood::priority);
      // RFC 9113 section 6.3, RFC 7540 section 5.3.1.
      if (frame.stream_id == 0 || frame.stream_id == frame.depends_on) cut_off(NGHTTP2_PROTOCOL_ERROR);
      break;
    default:  // PRIORITY_UPDATE, and whatever else means nothing here
      allow(Flood::priority);
      break;
  }
}

void Multiplexer::frame_head_received(const nghttp2_frame_hd& frame) {
  if (frame.type == NGHTTP2_HEADERS) {
    block_wire_bytes_ = frame_head_bytes + frame.length;
    continuations_ = 0;
  }
  frame_begins(frame);
}

/// False: not one field more is to be decoded.
bool Multiplexer::field_received(std::string_view name, std::string_view value) {
  if (block_stream_ == nullptr || cut_off_) return true;
  block_.add(name, value);
  if (block_.monstrous()) flood(Flood::header_block);
  return !flooded_;
}

void Multiplexer::whole_frame_received(const nghttp2_frame& frame) {
  if (cut_off_) return;
  const bool carries_end = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
  const bool ended = carries_end && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (frame.hd.type == NGHTTP2_HEADERS && block_stream_ != nullptr) {
    Stream& stream = *std::exchange(block_stream_, nullptr);
    head_received(stream, frame, ended);
    block_.clear();
    if (ended) stream.receive_end();
  } else if (frame.hd.type == NGHTTP2_DATA) {
    if (frame.hd.length > 0 && frame.hd.length <= frame.data.padlen && !ended) allow(Flood::empty_frame);
    if (Stream* stream = stream_of(frame.hd.stream_id); stream != nullptr && ended) stream->receive_end();
  }
  frame_received(frame, ended);
}

void Multiplexer::body_received(std::int32_t stream_id, std::span<const char> bytes) {
  if (cut_off_) return;
  if (Stream* stream = stream_of(stream_id)) {
    stream->receive_body(bytes);
  } else {
    body_taken(bytes.size());
  }
}

void Multiplexer::stream_closed(std::int32_t stream_id, std::uint32_t error_code) {
  Stream* stream = stream_of(stream_id);
  if (stream == nullptr) return;
  if (stream == block_stream_) block_stream_ = nullptr;
  stream->closed_by_session(error_code);
}

// ---- telling

void Multiplexer::tell_streams() {
  while (!to_tell_.empty()) {
    Stream& stream = to_tell_.pop_front();
    stream.tell();
    if (stream.over()) forget(stream);
  }
}

void Multiplexer::forget(Stream& stream) {
  stream.base::ListNode<OpenStreams>::unlink();
  stream.base::ListNode<StreamsToTell>::unlink();
  stream.base::ListNode<StreamsToSend>::unlink();
  stream.retire();
}

void Multiplexer::end_streams(const StreamFailure& failure) {
  block_stream_ = nullptr;
  base::IntrusiveList<Stream, OpenStreams> ending;
  base::IntrusiveList<Stream, OpenStreams> staying;
  ending.take_all(streams_);
  while (!ending.empty()) {
    Stream& stream = ending.pop_front();
    stream.end_with_connection(failure);
    if (stream.over()) {
      forget(stream);
    } else {
      staying.push_back(stream);
    }
  }
  streams_.take_all(staying);
}

void Multiplexer::to_tell(Stream& stream) {
  if (!stream.base::ListNode<StreamsToTell>::linked()) to_tell_.push_back(stream);
  wants_work();
}

// ---- sending

void Multiplexer::to_send(Stream& stream) {
  if (!stream.base::ListNode<StreamsToSend>::linked()) to_send_.push_back(stream);
  wants_work();
}

void Multiplexer::produce() {
  if (receiving_ || producing_ || phase_ != Phase::open || session_error_ != 0) return;
  producing_ = true;
  const int status = produce_frames();
  if (std::exchange(taken_by_reference_, false)) connection_.flush();
  to_send_.for_each([](Stream& stream) { stream.output_settled(); });
  producing_ = false;
  if (status >= 0) return;
  session_error_ = status;  // a writer may be calling: nobody can be told now
  wants_work();
}

int Multiplexer::produce_frames() {
  for (;;) {
    if (connection_.queued_bytes() > net::queue_high_bytes) {
      connection_.flush();
      if (connection_.queued_bytes() > net::queue_high_bytes) return 0;  // on_drained goes on
    }
    const std::uint8_t* frame = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session(), &frame);
    if (size <= 0) return static_cast<int>(size);
    const auto size_bytes = static_cast<std::size_t>(size);
    std::memcpy(connection_.write_scratch(size_bytes).data(), frame, size_bytes);
    connection_.commit_scratch(size_bytes);
  }
}

void Multiplexer::send_body(Stream& stream, const std::uint8_t* frame_head, std::size_t size_bytes) {
  constexpr std::size_t copied_bytes = 2048;  // as much as goes into one part with the frame's head
  const std::span<const char> body = stream.take_body(size_bytes);
  const bool copied = size_bytes <= copied_bytes;
  const std::size_t in_place = frame_head_bytes + (copied ? size_bytes : 0);
  char* to = connection_.write_scratch(in_place).data();
  std::memcpy(to, frame_head, frame_head_bytes);
  if (copied && size_bytes > 0) std::memcpy(to + frame_head_bytes, body.data(), size_bytes);
  connection_.commit_scratch(in_place);
  if (copied) return;
  connection_.write(body);
  taken_by_reference_ = true;
}

void Multiplexer::say_goodbye(std::int32_t last_stream_id, std::uint32_t error_code) {
  std::array<char, 17> frame{0, 0, 8, NGHTTP2_GOAWAY};
  for (unsigned i = 0; i < 4; ++i) {
    frame[9 + i] = static_cast<char>(static_cast<std::uint32_t>(last_stream_id) >> (24 - 8 * i));
    frame[13 + i] = static_cast<char>(error_code >> (24 - 8 * i));
  }
  connection_.write(frame);
  connection_.flush();
}

// ---- windows

void Multiplexer::body_held(std::size_t size_bytes) {
  held_bytes_ += size_bytes;
  if (held_bytes_ <= held_bytes_limit_) {
    body_taken(size_bytes);
  } else {
    unconsumed_bytes_ += size_bytes;
  }
}

void Multiplexer::held_body_taken(std::size_t size_bytes) {
  held_bytes_ -= size_bytes;
  if (held_bytes_ <= held_bytes_limit_ && unconsumed_bytes_ > 0)
    body_taken(std::exchange(unconsumed_bytes_, 0));
  wants_work();
}

}  // namespace azulb::http2
