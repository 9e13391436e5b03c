#include "azulb/http2/server_stream.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "azulb/http/upgrade.hpp"
#include "azulb/http2/header_block.hpp"
#include "azulb/http2/server_codec.hpp"

namespace azulb::http2 {

using http::BodyKind;
using http::Defect;
using http::FieldId;
using http::StreamFailure;

ServerStream::ServerStream(ServerCodec& codec, base::Slab<ServerStream>& slab, http::StreamReader& reader,
                           std::uint64_t received_bytes)
    : Stream(codec, 0), codec_(codec), slab_(slab), received_before_(received_bytes) {
  reader_ = &reader;
}

// ---- what is written

void ServerStream::write_request(const http::RequestHeadOut& head) {
  if (write_closed()) return;
  method_ = head.head->method;
  websocket_ = http::equal_ignore_case(head.upgrade, "websocket");
  if (websocket_) {
    const http::Field* key = http::find_field(head.head->fields, FieldId::sec_websocket_key);
    if (key != nullptr) key->value.copy(websocket_key_.data(), websocket_key_.size());
  }
  const bool empty =
      head.body == BodyKind::none || (head.body == BodyKind::length && head.content_length == 0);
  bodyless_ = !websocket_ && empty;
  if (head.body == BodyKind::length && !bodyless_) remaining_bytes_ = head.content_length;
  MessageFields& fields = codec_.message_fields();
  fields.set_request(head, codec_.scheme());
  const nghttp2_data_provider body = body_provider();
  // As its user data nghttp2 gives back what the multiplexer expects.
  const std::int32_t id = nghttp2_submit_request(codec_.session(), nullptr, fields.data(), fields.size(),
                                                 bodyless_ ? nullptr : &body, static_cast<Stream*>(this));
  if (id < 0) return fail_unsent();
  id_ = id;
  submitted_ = true;
  head_added(fields.text_bytes());
}

void ServerStream::fail_unsent() {
  closed_by_session_ = muted_ = true;
  fail_later({.kind = StreamFailure::Kind::closed, .refused = true});
}

void ServerStream::write_end(std::span<const http::Field> trailers) {
  // That the request is complete is no end of the tunnel it asks for.
  if (write_closed() || (websocket_ && !tunnel_)) return;
  // Less than was announced must not look whole.
  if (!tunnel_ && !bodyless_ && remaining_bytes_ != 0 && remaining_bytes_ != no_length) return;
  end_body(trailers);
  if (end_told_) reader_ = nullptr;
}

void ServerStream::abort() {
  reader_ = nullptr;
  if (!submitted_ || write_closed() || (peer_ended_ && end_sent_)) return;
  reset(NGHTTP2_CANCEL);
}

void ServerStream::close() {
  closed_ = true;
  abort();
  drop_input();
  if (!submitted_) closed_by_session_ = true;
  codec_.to_tell(*this);  // to be forgotten
}

// ---- what comes

void ServerStream::receive_head(HeaderBlock& block, http::FieldList& fields, bool ended) {
  if (reader_ == nullptr || muted_) return;
  if (head_received_) {
    receive_trailer_block(block, fields, ended);
  } else {
    receive_response(block, fields, ended);
  }
}

void ServerStream::receive_response(HeaderBlock& block, http::FieldList& fields, bool ended) {
  http::ResponseHead head;
  http::ResponseInfo info;
  Defect defect = block.finish_response(fields, head);
  if (defect != Defect::none) return fail_malformed(defect);
  std::array<char, 28> accept;
  const bool opened = websocket_ && head.status >= 200 && head.status < 300;
  if (opened) {
    // RFC 8441 section 5: what a 101 says in HTTP/1, as whoever asked for an upgrade expects it.
    head.status = 101;
    accept = http::websocket_accept({websocket_key_.data(), websocket_key_.size()});
    fields.push(http::make_field("connection", "upgrade"));
    fields.push(http::make_field("upgrade", "websocket"));
    fields.push(http::make_field("sec-websocket-accept", {accept.data(), accept.size()}));
  } else if (head.status >= 200 && !ended && !head.has(FieldId::content_length)) {
    fields.push(http::make_field("transfer-encoding", "chunked"));  // of unknown length
  }
  head.fields = fields.fields();
  head.present = fields.present();
  defect = judge(head, ended, info);
  if (defect != Defect::none) return fail_malformed(defect);
  if (info.interim) {
    // One whose reader is behind is not owed to it, and not worth keeping.
    if (!paused_) reader_->on_response(head, info);
    return;
  }
  head_received_ = true;
  tunnel_ = opened;
  body_comes_ = tunnel_ || info.body != BodyKind::none;
  if (info.body == BodyKind::length) declared_bytes_ = info.content_length;
  if (!paused_) return reader_->on_response(head, info);
  head_held_ = true;
  held_status_ = head.status;
  held_info_ = info;
  held_fields_ = http::StoredFields(head.fields);
}

Defect ServerStream::judge(const http::ResponseHead& head, bool ended, http::ResponseInfo& info) const {
  if (const Defect defect = judge_response(head, method_, info); defect != Defect::none) return defect;
  if (!ended) return Defect::none;
  if (info.interim) return Defect::bad_status_line;  // RFC 9113 section 8.1: not the last there is
  if (info.body == BodyKind::until_close) {          // neither length nor body
    info.body = info.announced = BodyKind::length;
    info.content_length = 0;
  }
  const bool lacks_body = info.body == BodyKind::length && info.content_length > 0;
  return lacks_body ? Defect::length_mismatch : Defect::none;
}

void ServerStream::receive_trailer_block(HeaderBlock& block, http::FieldList& fields, bool ended) {
  const Defect defect = block.finish_trailers(fields);
  if (defect != Defect::none || !ended) return fail_malformed(ended ? defect : Defect::length_mismatch);
  receive_trailers(fields.fields());
}

void ServerStream::fail_malformed(Defect defect) {
  if (muted_) return;
  reset(NGHTTP2_PROTOCOL_ERROR);
  fail_later({.kind = StreamFailure::Kind::malformed, .defect = defect});
}

void ServerStream::length_mismatched() {
  if (reader_ != nullptr && body_comes_) fail_malformed(Defect::length_mismatch);
}

void ServerStream::broken_off(std::uint32_t error_code) {
  timer_.stop();
  out_.clear();
  if (peer_ended_) return;  // the answer is whole: the rest of the request is not wanted
  refused_ = error_code == NGHTTP2_REFUSED_STREAM && received_bytes_ == 0 && !head_received_;
  muted_ = true;
  drop_input();
  fail_later({.kind = StreamFailure::Kind::closed, .unanswered = unanswered(), .refused = unprocessed()});
}

bool ServerStream::unanswered() const {
  return codec_.received_bytes() == received_before_;
}

// ---- telling the reader

void ServerStream::tell() {
  tell_held_head();
  tell_body();
  tell_end();
  if (std::exchange(writable_, false) && reader_ != nullptr) reader_->on_writable();
  if (std::exchange(failed_, false)) fail(failure_);
}

void ServerStream::tell_held_head() {
  if (!head_held_ || paused_ || reader_ == nullptr || muted_) return;
  head_held_ = false;
  http::StoredFields fields = std::move(held_fields_);
  http::ResponseHead head;
  head.status = held_status_;
  head.fields = fields.fields();
  for (const http::Field& field : head.fields)
    head.present |= http::id_bit(field.id);
  reader_->on_response(head, held_info_);
  codec_.loop().gather().settle();  // what was written shows into these fields
}

void ServerStream::end_with_connection(const StreamFailure& failure) {
  closed_by_session_ = true;
  timer_.stop();
  out_.clear();
  if (reader_ == nullptr) return;
  // All of the answer has come, though it has not been taken yet.
  if (peer_ended_ && !muted_) return codec_.to_tell(*this);
  drop_input();
  StreamFailure told = std::exchange(failed_, false) ? failure_ : failure;
  if (told.kind == StreamFailure::Kind::closed) {
    told.unanswered = unanswered();
    told.refused = unprocessed();
  }
  fail(told);
}

void ServerStream::on_timeout() {
  reset(NGHTTP2_CANCEL);
  fail({.kind = StreamFailure::Kind::stalled});
}

void ServerStream::reclaim() {
  slab_.destroy(*this);
}

}  // namespace azulb::http2
