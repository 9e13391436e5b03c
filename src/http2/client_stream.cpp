#include "azulb/http2/client_stream.hpp"

#include <nghttp2/nghttp2.h>

#include <utility>

#include "azulb/http2/client_codec.hpp"

namespace azulb::http2 {

using http::BodyKind;
using http::Defect;
using http::StreamFailure;

ClientStream::ClientStream(ClientCodec& codec, base::Slab<ClientStream>& slab, std::int32_t id)
    : Stream(codec, id), codec_(codec), slab_(slab) {}

// ---- what comes

void ClientStream::receive_request(http::BadRequest request, bool websocket) {
  request_ = std::move(request);
  websocket_ = websocket;
  refused_ = end_told_ = request_.defect != Defect::none;
  if (request_.request) {
    const http::Request& head = *request_.request;
    head_request_ = head.head.method == http::Method::head;
    if (head.info.body == BodyKind::length) declared_bytes_ = head.info.content_length;
  }
  codec_.to_tell(*this);
}

void ClientStream::refuse(http::BadRequest request) {
  request_ = std::move(request);
  refused_ = end_told_ = true;
  reset(NGHTTP2_PROTOCOL_ERROR);
  codec_.to_tell(*this);
}

void ClientStream::receive_late_head(http::BadRequest request) {
  if (!told_) return refuse(std::move(request));
  fail_later({.kind = StreamFailure::Kind::closed});
}

void ClientStream::length_mismatched() {
  if (!refused_) fail_malformed(Defect::length_mismatch);
}

void ClientStream::broken_off(std::uint32_t) {
  muted_ = true;
  drop_input();
  fail_later({.kind = StreamFailure::Kind::closed});
}

void ClientStream::fail_malformed(Defect defect) {
  if (muted_) return;
  if (!told_) {
    // Its request has not gone anywhere, and now never will.
    request_.defect = defect;
    return refuse(std::move(request_));
  }
  reset(NGHTTP2_PROTOCOL_ERROR);
  fail_later({.kind = StreamFailure::Kind::malformed, .defect = defect});
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
    if (!in_.empty() || peer_ended_) codec_.to_tell(*this);
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
  MessageFields& fields = codec_.message_fields();
  fields.set_response(out);
  const nghttp2_data_provider body = body_provider();
  nghttp2_submit_response(codec_.session(), id_, fields.data(), fields.size(), bodyless_ ? nullptr : &body);
  head_added(fields.text_bytes());
}

void ClientStream::write_interim(const http::ResponseHeadOut& head) {
  MessageFields& fields = codec_.message_fields();
  fields.set_response(head);
  nghttp2_submit_headers(codec_.session(), NGHTTP2_FLAG_NONE, id_, nullptr, fields.data(), fields.size(),
                         nullptr);
  head_added(fields.text_bytes());
}

void ClientStream::write_end(std::span<const http::Field> trailers) {
  if (muted_) {
    // A tunnel's reader waits for the client's end, too: it is about to be told of the failure instead.
    if (!tunnel_ || end_told_) release_reader();
    return;
  }
  if (!tunnel_ && !bodyless_ && remaining_bytes_ != 0 && remaining_bytes_ != no_length) return abort();
  end_body(trailers);
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

void ClientStream::end_sent() {
  end_sent_ = true;
  // Answered before the request's end: its rest is not wanted (RFC 9113 section 8.1). But a client that is
  // told so at once may throw away the answer it has just got (curl 7.88), so it first gets a moment to stop
  // by itself. What it sends meanwhile is dropped, and its window not opened again.
  // A tunnel's client may go on.
  if (!peer_ended_ && !tunnel_) codec_.settings_.half_close_grace->start(timer_);
}

void ClientStream::on_timeout() {
  if (end_sent_) return reset(NGHTTP2_NO_ERROR);
  (*codec_.settings_.floods)[static_cast<std::size_t>(http::Flood::stall)].add();
  reset(NGHTTP2_CANCEL);
  fail({.kind = StreamFailure::Kind::stalled});
  if (closed_by_session_) codec_.to_tell(*this);
}

void ClientStream::reclaim() {
  slab_.destroy(*this);
}

}  // namespace azulb::http2
