#include "azulb/http2/stream.hpp"

#include <algorithm>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/http2/multiplexer.hpp"

namespace azulb::http2 {

using http::StreamFailure;

namespace {

constexpr std::size_t frame_payload_bytes = 16 * 1024;
constexpr std::size_t frame_head_bytes = 9;
// Frames with less of a body wait for each other until all that has come has been parsed: on the other side
// each would be a chunk of its own.
constexpr std::size_t gathered_body_bytes = 256;
// A window that lets less than this through makes more work than it is good for.
constexpr std::size_t starved_bytes = 256;

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t room, std::uint32_t* flags,
                  nghttp2_data_source* source, void*) {
  return static_cast<Stream*>(source->ptr)->body_to_send(room, *flags);
}

}  // namespace

// ---- what comes

void Stream::receive_body(std::span<const char> bytes) {
  received_bytes_ += bytes.size();
  if (!muted_ && received_bytes_ > declared_bytes_) length_mismatched();
  if (muted_ || !wants_body()) return multiplexer_.body_taken(bytes.size());
  const bool takes = !paused_ && !holds_body();
  if (takes && in_.empty() && bytes.size() >= gathered_body_bytes) {
    reader_->on_body(bytes);
    multiplexer_.body_taken(bytes.size());
    if (!muted_) nghttp2_session_consume_stream(multiplexer_.session(), id_, bytes.size());
  } else {
    in_.append(bytes);
    multiplexer_.body_held(bytes.size());
    if (takes) multiplexer_.to_tell(*this);
  }
}

void Stream::receive_trailers(std::span<http::Field> trailers) {
  if (!trailers.empty() && !muted_) trailers_in_ = http::StoredFields(trailers);
}

void Stream::receive_end() {
  peer_ended_ = true;
  if (!muted_ && declared_bytes_ != no_length && received_bytes_ != declared_bytes_) length_mismatched();
  multiplexer_.to_tell(*this);
}

void Stream::closed_by_session(std::uint32_t error_code) {
  closed_by_session_ = true;
  const bool complete = peer_ended_ && end_sent_;
  if (!muted_ && !complete) broken_off(error_code);
  multiplexer_.to_tell(*this);
}

// ---- telling the reader

void Stream::tell_body() {
  if (reader_ == nullptr || paused_ || muted_ || holds_body() || in_.empty()) return;
  const base::Buffer bytes = std::move(in_);
  reader_->on_body(bytes.bytes());
  multiplexer_.loop().gather().settle();  // what was written shows into these bytes
  multiplexer_.held_body_taken(bytes.size());
  if (!muted_) nghttp2_session_consume_stream(multiplexer_.session(), id_, bytes.size());
}

void Stream::tell_end() {
  if (!peer_ended_ || end_told_ || reader_ == nullptr) return;
  if (paused_ || muted_ || holds_body() || !in_.empty()) return;
  end_told_ = true;
  http::StreamReader* reader = reader_;
  if (reader_done_at_end()) reader_ = nullptr;
  reader->on_end(trailers_in_.fields());
}

void Stream::fail(const StreamFailure& failure) {
  muted_ = true;
  timer_.stop();
  if (http::StreamReader* reader = std::exchange(reader_, nullptr)) reader->on_failure(failure);
}

void Stream::fail_later(const StreamFailure& failure) {
  failed_ = true;
  failure_ = failure;
  multiplexer_.to_tell(*this);
}

// ---- what is written

nghttp2_data_provider Stream::body_provider() {
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = read_body;
  return body;
}

void Stream::head_added(std::size_t text_bytes) {
  ++heads_queued_;
  head_bytes_queued_ += static_cast<std::uint32_t>(text_bytes + frame_head_bytes);
  written_bytes_ += text_bytes + frame_head_bytes;
  if (queued_bytes() > net::queue_low_bytes) above_low_ = true;
  multiplexer_.to_send(*this);
}

void Stream::write_body(std::span<const char> bytes) {
  if (write_closed() || bodyless_ || bytes.empty()) return;
  if (remaining_bytes_ != no_length) {
    AZULB_ASSERT(bytes.size() <= remaining_bytes_);
    remaining_bytes_ -= bytes.size();
  }
  out_.append(bytes);
  written_bytes_ +=
      bytes.size() + frame_head_bytes * ((bytes.size() + frame_payload_bytes - 1) / frame_payload_bytes);
  if (queued_bytes() > net::queue_low_bytes) above_low_ = true;
  body_added();
}

void Stream::body_added() {
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(multiplexer_.session(), id_);
  multiplexer_.to_send(*this);
}

void Stream::end_body(std::span<const http::Field> trailers) {
  write_ended_ = true;
  if (bodyless_) return;
  const bool any =
      std::any_of(trailers.begin(), trailers.end(), [](const http::Field& field) { return !field.drop; });
  if (any) trailers_out_ = http::StoredFields(trailers);
  body_added();
}

void Stream::reset(std::uint32_t error_code) {
  muted_ = true;
  timer_.stop();
  out_.clear();
  drop_input();
  nghttp2_submit_rst_stream(multiplexer_.session(), NGHTTP2_FLAG_NONE, id_, error_code);
  multiplexer_.wants_work();
}

void Stream::drop_input() {
  if (in_.empty()) return;
  multiplexer_.held_body_taken(in_.size());
  in_.clear();
}

void Stream::resume_reading() {
  if (!std::exchange(paused_, false)) return;
  if (!in_.empty() || peer_ended_ || holds_body()) multiplexer_.to_tell(*this);
}

void Stream::flush() {
  // What was written has been copied: there is no haste, unless it is so much that the writer would have to
  // wait.
  if (queued_bytes() > net::queue_high_bytes) multiplexer_.produce();
}

// ---- sending

std::ptrdiff_t Stream::body_to_send(std::size_t room, std::uint32_t& flags) {
  const std::size_t available = out_.size() - taken_bytes_;
  if (available == 0 && !write_ended_) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  starved_ = room < std::min(available, starved_bytes);
  if (available > room || !write_ended_) return static_cast<std::ptrdiff_t>(std::min(available, room));
  flags |= NGHTTP2_DATA_FLAG_EOF;
  if (const std::span<http::Field> trailers = trailers_out_.fields(); !trailers.empty()) {
    flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    MessageFields& fields = multiplexer_.message_fields();
    fields.set_trailers(trailers);
    nghttp2_submit_trailer(multiplexer_.session(), id_, fields.data(), fields.size());
    ++heads_queued_;
    written_bytes_ += fields.text_bytes() + frame_head_bytes;
  }
  return static_cast<std::ptrdiff_t>(available);
}

std::span<const char> Stream::take_body(std::size_t size_bytes) {
  const std::span<const char> bytes = out_.bytes().subspan(taken_bytes_, size_bytes);
  taken_bytes_ += static_cast<std::uint32_t>(size_bytes);
  return bytes;
}

void Stream::output_settled() {
  const bool progress = taken_bytes_ > 0;
  if (progress) out_.consume(std::exchange(taken_bytes_, 0));
  if (out_.empty()) {
    if (!end_sent_) timer_.stop();
    if (heads_queued_ == 0) base::ListNode<StreamsToSend>::unlink();
  } else if (progress || !timer_.running()) {
    multiplexer_.send_timeout().start(timer_);
  }
  if (above_low_ && queued_bytes() <= net::queue_low_bytes) {
    above_low_ = false;
    writable_ = true;
    multiplexer_.to_tell(*this);
  }
}

void Stream::retire() {
  if (std::exchange(retired_, true)) return;  // by what its own reader led to
  timer_.stop();
  multiplexer_.loop().retire(*this);
}

}  // namespace azulb::http2
