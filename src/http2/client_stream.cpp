#include "azulb/http2/client_stream.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/http2/client_codec.hpp"

namespace azulb::http2 {

using http::BodyKind;
using http::Defect;
using http::StreamFailure;

namespace {

constexpr std::size_t frame_payload_bytes = 16 * 1024;
constexpr std::size_t frame_head_bytes = 9;

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t room, std::uint32_t* flags,
                  nghttp2_data_source* source, void*) {
  return static_cast<ClientStream*>(source->ptr)->body_to_send(room, *flags);
}

}  // namespace

// ---- what comes

void ClientStream::receive_request(http::BadRequest request, bool websocket) {
  request_ = std::move(request);
  websocket_ = websocket;
  refused_ = request_.defect != Defect::none;
  if (request_.request) {
    const http::Request& head = *request_.request;
    head_request_ = head.head.method == http::Method::head;
    if (head.info.body == BodyKind::length) declared_bytes_ = head.info.content_length;
  }
  codec_.to_tell(*this);
}

void ClientStream::refuse(http::BadRequest request) {
  request_ = std::move(request);
  refused_ = true;
  reset(NGHTTP2_PROTOCOL_ERROR);
  codec_.to_tell(*this);
}

void ClientStream::receive_late_head(http::BadRequest request) {
  if (!told_) return refuse(std::move(request));
  failed_ = true;
  failure_ = {.kind = StreamFailure::Kind::closed};
  codec_.to_tell(*this);
}

void ClientStream::receive_body(std::span<const char> bytes) {
  received_bytes_ += bytes.size();
  if (!muted_ && !refused_ && received_bytes_ > declared_bytes_) fail_malformed(Defect::length_mismatch);
  const bool wanted = !muted_ && !refused_ && (reader_ != nullptr || !told_);
  if (!wanted) return codec_.body_taken(bytes.size());
  if (told_ && !paused_ && !awaits_tunnel() && in_.empty()) {
    reader_->on_body(bytes);
    codec_.body_taken(bytes.size());
    if (!muted_) nghttp2_session_consume_stream(codec_.session(), id_, bytes.size());
  } else {
    in_.append(bytes);
    codec_.body_held(bytes.size());
  }
}

void ClientStream::receive_trailers(std::span<http::Field> trailers) {
  if (!trailers.empty() && !muted_) trailers_in_ = http::StoredFields(trailers);
}

void ClientStream::receive_end() {
  request_ended_ = true;
  if (!muted_ && !refused_ && declared_bytes_ != no_length && received_bytes_ != declared_bytes_) {
    fail_malformed(Defect::length_mismatch);
  }
  codec_.to_tell(*this);
}

void ClientStream::closed_by_session() {
  closed_by_session_ = true;
  if (tunnel_ && request_ended_ && end_sent_ && !muted_) return codec_.to_tell(*this);  // as it should be
  if (!muted_) {
    muted_ = true;
    failed_ = true;
    failure_ = {.kind = StreamFailure::Kind::closed};
  }
  drop_input();
  codec_.to_tell(*this);
}

void ClientStream::fail_malformed(Defect defect) {
  if (muted_) return;
  if (!told_) {
    // Its request has not gone anywhere, and now never will.
    request_.defect = defect;
    return refuse(std::move(request_));
  }
  failed_ = true;
  failure_ = {.kind = StreamFailure::Kind::malformed, .defect = defect};
  reset(NGHTTP2_PROTOCOL_ERROR);
  codec_.to_tell(*this);
}

// ---- telling the reader

void ClientStream::tell() {
  if (!told_) open();
  tell_body();
  tell_end();
  if (std::exchange(writable_, false) && reader_ != nullptr) reader_->on_writable();
  if (std::exchange(failed_, false)) fail(failure_);
}

void ClientStream::open() {
  told_ = true;
  // Taken back before anything was made of it: nobody hears of it.
  if (closed_by_session_ && !refused_) {
    request_.request.reset();
    return;
  }
  reader_ = &codec_.acceptor_.open_stream(*this);
  if (refused_) {
    reader_->on_bad_request(std::move(request_));
  } else {
    reader_->on_request(std::move(request_.request));
  }
}

void ClientStream::tell_body() {
  if (reader_ == nullptr || paused_ || muted_ || awaits_tunnel() || in_.empty()) return;
  const base::Buffer bytes = std::move(in_);
  reader_->on_body(bytes.bytes());
  codec_.loop().gather().settle();  // what was written shows into these bytes
  codec_.held_body_taken(bytes.size());
  if (!muted_) nghttp2_session_consume_stream(codec_.session(), id_, bytes.size());
}

void ClientStream::tell_end() {
  if (!request_ended_ || end_told_ || refused_ || reader_ == nullptr) return;
  if (paused_ || muted_ || awaits_tunnel() || !in_.empty()) return;
  end_told_ = true;
  http::StreamReader* reader = reader_;
  if (tunnel_ && write_ended_) reader_ = nullptr;
  reader->on_end(trailers_in_.fields());
}

void ClientStream::fail(const StreamFailure& failure) {
  muted_ = true;
  timer_.stop();
  if (http::StreamReader* reader = std::exchange(reader_, nullptr)) reader->on_failure(failure);
}

void ClientStream::end_with_connection(const StreamFailure& failure) {
  muted_ = closed_by_session_ = told_ = true;
  request_.request.reset();
  fail(failure);
}

void ClientStream::release_reader() {
  reader_ = nullptr;
  if (closed_by_session_) codec_.to_tell(*this);
}

// ---- what is written

void ClientStream::write_response(const http::ResponseHeadOut& head) {
  if (muted_ || final_head_written_) return;
  if (head.status < 200 && head.status != 101) return write_interim(head);
  final_head_written_ = true;
  if (head.close) codec_.no_more_requests();
  http::ResponseHeadOut out = head;
  tunnel_ = head.status == 101;
  if (tunnel_) {
    out.status = 200;  // RFC 8441 section 5
    out.body = BodyKind::none;
    if (!in_.empty() || request_ended_) codec_.to_tell(*this);
  } else if (websocket_ && head.status < 300) {
    // To this client it would mean an open WebSocket, and the server has not opened one.
    out.status = 502;
    out.body = BodyKind::length;
    out.content_length = 0;
  }
  const bool never_has_body = head_request_ || out.status == 204 || out.status == 304;
  const bool empty = out.body == BodyKind::none || (out.body == BodyKind::length && out.content_length == 0);
  bodyless_ = !tunnel_ && (never_has_body || empty);
  if (out.body == BodyKind::length && !bodyless_) remaining_bytes_ = out.content_length;
  ResponseFields& fields = codec_.scratch_.response;
  fields.set_head(out);
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = read_body;
  nghttp2_submit_response(codec_.session(), id_, fields.data(), fields.size(), bodyless_ ? nullptr : &body);
  head_added(fields.text_bytes());
}

void ClientStream::write_interim(const http::ResponseHeadOut& head) {
  ResponseFields& fields = codec_.scratch_.response;
  fields.set_head(head);
  nghttp2_submit_headers(codec_.session(), NGHTTP2_FLAG_NONE, id_, nullptr, fields.data(), fields.size(),
                         nullptr);
  head_added(fields.text_bytes());
}

void ClientStream::head_added(std::size_t text_bytes) {
  ++heads_queued_;
  head_bytes_queued_ += static_cast<std::uint32_t>(text_bytes + frame_head_bytes);
  written_bytes_ += text_bytes + frame_head_bytes;
  if (queued_bytes() > net::queue_low_bytes) above_low_ = true;
  codec_.to_send(*this);
}

void ClientStream::write_body(std::span<const char> bytes) {
  if (muted_ || bodyless_ || bytes.empty()) return;
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

void ClientStream::body_added() {
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(codec_.session(), id_);
  codec_.to_send(*this);
}

void ClientStream::write_end(std::span<const http::Field> trailers) {
  if (muted_) {
    // A tunnel's reader waits for the client's end, too: it is about to be told of the failure instead.
    if (!tunnel_ || end_told_) release_reader();
    return;
  }
  if (!tunnel_ && !bodyless_ && remaining_bytes_ != 0 && remaining_bytes_ != no_length) return abort();
  write_ended_ = true;
  const bool any =
      std::any_of(trailers.begin(), trailers.end(), [](const http::Field& field) { return !field.drop; });
  if (any && !bodyless_) trailers_out_ = http::StoredFields(trailers);
  if (!bodyless_) body_added();
  if (tunnel_ && !end_told_) return;
  drop_input();
  release_reader();
}

void ClientStream::abort() {
  if (closed_by_session_) {
    muted_ = true;
    drop_input();
  } else if (!muted_) {
    reset(tunnel_ ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
  }
  release_reader();
}

void ClientStream::reset(std::uint32_t error_code) {
  muted_ = true;
  timer_.stop();
  out_.clear();
  drop_input();
  nghttp2_submit_rst_stream(codec_.session(), NGHTTP2_FLAG_NONE, id_, error_code);
  codec_.wants_work();
}

void ClientStream::drop_input() {
  if (in_.empty()) return;
  codec_.held_body_taken(in_.size());
  in_.clear();
}

void ClientStream::resume_reading() {
  if (!std::exchange(paused_, false)) return;
  if (!in_.empty() || request_ended_) codec_.to_tell(*this);
}

void ClientStream::flush() {
  // What was written has been copied: there is no haste, unless it is so much that the writer would have to
  // wait.
  if (queued_bytes() > net::queue_high_bytes) codec_.produce();
}

// ---- sending

std::ptrdiff_t ClientStream::body_to_send(std::size_t room, std::uint32_t& flags) {
  const std::size_t available = out_.size() - taken_bytes_;
  if (available == 0 && !write_ended_) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (available > room || !write_ended_) return static_cast<std::ptrdiff_t>(std::min(available, room));
  flags |= NGHTTP2_DATA_FLAG_EOF;
  if (const std::span<http::Field> trailers = trailers_out_.fields(); !trailers.empty()) {
    flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    ResponseFields& fields = codec_.scratch_.response;
    fields.set_trailers(trailers);
    nghttp2_submit_trailer(codec_.session(), id_, fields.data(), fields.size());
    ++heads_queued_;
    written_bytes_ += fields.text_bytes() + frame_head_bytes;
  }
  return static_cast<std::ptrdiff_t>(available);
}

std::span<const char> ClientStream::take_body(std::size_t size_bytes) {
  const std::span<const char> bytes = out_.bytes().subspan(taken_bytes_, size_bytes);
  taken_bytes_ += static_cast<std::uint32_t>(size_bytes);
  return bytes;
}

void ClientStream::output_settled() {
  const bool progress = taken_bytes_ > 0;
  if (progress) out_.consume(std::exchange(taken_bytes_, 0));
  if (out_.empty()) {
    if (!end_sent_) timer_.stop();
    if (heads_queued_ == 0) base::ListNode<StreamsToSend>::unlink();
  } else if (progress || !timer_.running()) {
    codec_.settings_.send_timeout->start(timer_);
  }
  if (above_low_ && queued_bytes() <= net::queue_low_bytes) {
    above_low_ = false;
    writable_ = true;
    codec_.to_tell(*this);
  }
}

void ClientStream::end_sent() {
  end_sent_ = true;
  // Answered before the request's end: its rest is not wanted (RFC 9113 section 8.1). But a client that is
  // told so at once may throw away the answer it has just got (curl 7.88), so it first gets a moment to stop
  // by itself. What it sends meanwhile is dropped, and its window not opened again.
  // A tunnel's client may go on.
  if (!request_ended_ && !tunnel_) codec_.settings_.half_close_grace->start(timer_);
}

void ClientStream::on_timeout() {
  if (end_sent_) return reset(NGHTTP2_NO_ERROR);
  (*codec_.settings_.floods)[static_cast<std::size_t>(http::Flood::stall)].add();
  reset(NGHTTP2_CANCEL);
  fail({.kind = StreamFailure::Kind::stalled});
  if (closed_by_session_) codec_.to_tell(*this);
}

void ClientStream::retire() {
  timer_.stop();
  codec_.loop().retire(*this);
}

void ClientStream::reclaim() {
  slab_.destroy(*this);
}

}  // namespace azulb::http2
