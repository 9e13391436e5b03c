#include "azulb/http1/server_codec.hpp"

#include <cerrno>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/http1/head_output.hpp"

namespace azulb::http1 {
namespace {

// A server whose last response on this connection was so large probably sends another one: then only its head
// and little more is read, so that nearly all of the body can be spliced.
constexpr std::uint64_t large_body_bytes = 256 * 1024;
constexpr std::size_t first_read_bytes = 8 * 1024;

}  // namespace

using http::BodyKind;
using http::Defect;
using http::StreamFailure;

http::StreamWriter& ServerCodec::open_stream(http::StreamReader& reader) {
  AZULB_ASSERT(reader_ == nullptr && phase_ == Phase::idle);
  reader_ = &reader;
  phase_ = Phase::head;
  in_.begin_head();
  sent_before_ = connection_.sent_bytes() + connection_.queued_bytes();
  received_before_ = connection_.received_bytes();
  keep_alive_ = request_done_ = upgrade_wanted_ = false;
  if (large_before_) connection_.limit_next_read(first_read_bytes);
  return *this;
}

ServerCodec::Rest ServerCodec::close_stream(http::StreamWriter*) {
  if (reusable()) return Rest::usable;
  if (flushing()) {
    reader_ = nullptr;
    return Rest::flushing;
  }
  reader_ = nullptr;
  return Rest::used_up;
}

void ServerCodec::on_connected() {
  owner_.write_preamble();
  phase_ = Phase::idle;
  owner_.on_connected();
}

std::size_t ServerCodec::on_bytes(std::span<const char> input) {
  std::string_view bytes(input.data(), input.size());
  for (bool progress = true; progress && !bytes.empty() && connection_.open();) {
    const std::size_t before = bytes.size();
    const Phase phase = phase_;
    switch (phase_) {
      case Phase::head:
        // On a connection that has served before, bytes ahead of the request belong to an earlier one.
        if (received_before_ > 0 && nothing_sent()) {
          fail({.kind = StreamFailure::Kind::closed});
          return input.size();
        }
        bytes = read_head(bytes);
        break;
      case Phase::body:
        bytes = read_body(bytes);
        break;
      case Phase::tunnel:
        if (reader_ != nullptr) reader_->on_body(bytes);
        return input.size();
      case Phase::idle:
      case Phase::connecting:
        owner_.on_idle_end();
        return input.size();
      case Phase::ended:
        return input.size();
    }
    progress = (bytes.size() != before || phase_ != phase) && !connection_.reading_paused();
  }
  return connection_.open() ? input.size() - bytes.size() : input.size();
}

std::string_view ServerCodec::read_head(std::string_view bytes) {
  http::ResponseHead head;
  switch (in_.head().parse_response(bytes, response_head_limits, scratch_.fields, head)) {
    case ParseStatus::need_more:
      return bytes;
    case ParseStatus::error:
      fail({.kind = StreamFailure::Kind::malformed, .defect = in_.head().defect()});
      return {};
    case ParseStatus::complete:
      break;
  }
  bytes.remove_prefix(in_.head().head_length());
  in_.begin_head();
  http::ResponseInfo info;
  Defect defect = judge_response(head, method_, info);
  if (defect == Defect::none && info.switching && !upgrade_wanted_) defect = Defect::bad_upgrade_response;
  if (defect != Defect::none) {
    fail({.kind = StreamFailure::Kind::malformed, .defect = defect});
    return {};
  }
  if (info.interim) {
    reader_->on_response(head, info);
    return bytes;
  }
  // A body that was announced and must not come (HEAD, 304) comes from some servers all the same, perhaps
  // later than its head: such a connection is not used again.
  const bool body_may_stray =
      info.announced != info.body && (info.announced == BodyKind::chunked || info.content_length > 0);
  keep_alive_ = info.keep_alive && !body_may_stray;
  keep_alive_timeout_s_ = info.keep_alive_timeout_s;
  if (info.switching) {
    phase_ = Phase::tunnel;
    in_.begin(BodyKind::until_close, 0);
    body_out_.begin(BodyKind::until_close, 0);
    reader_->on_response(head, info);
    return bytes;
  }
  in_.begin(info.body, info.content_length);
  large_before_ = in_.raw_bytes() >= large_body_bytes;
  const bool bodyless = in_.complete();
  phase_ = Phase::body;
  reader_->on_response(head, info);
  if (phase_ == Phase::body && bodyless && reader_ != nullptr) response_ended({}, !bytes.empty());
  return bytes;
}

std::string_view ServerCodec::read_body(std::string_view bytes) {
  switch (in_.read(bytes, connection_, *reader_, scratch_.trailers)) {
    case MessageReader::Status::need_more:
    case MessageReader::Status::paused:
      break;
    case MessageReader::Status::complete:
      if (phase_ == Phase::body && reader_ != nullptr)
        response_ended(scratch_.trailers.fields(), !bytes.empty());
      break;
    case MessageReader::Status::error:
      fail({.kind = StreamFailure::Kind::malformed, .defect = in_.defect()});
      return {};
  }
  return bytes;
}

void ServerCodec::response_ended(std::span<http::Field> trailers, bool more_follows) {
  // Reused only if both messages are complete, nothing follows the response, and the server agrees.
  const bool reusable = keep_alive_ && request_done_ && !more_follows && !connection_.ended() &&
                        connection_.queued_bytes() == 0;
  phase_ = reusable ? Phase::idle : Phase::ended;
  std::exchange(reader_, nullptr)->on_end(trailers);
}

void ServerCodec::on_end() {
  switch (phase_) {
    case Phase::idle:
    case Phase::connecting:
      owner_.on_idle_end();
      return;
    case Phase::head:
      fail({.kind = StreamFailure::Kind::closed});
      return;
    case Phase::body:
      if (in_.kind() == BodyKind::until_close) {
        response_ended({}, true);
      } else {
        fail({.kind = StreamFailure::Kind::closed});
      }
      return;
    case Phase::tunnel:
      if (reader_ != nullptr) reader_->on_end({});
      return;
    case Phase::ended:
      return;
  }
}

void ServerCodec::on_failure(int system_error) {
  if (phase_ == Phase::connecting) {
    phase_ = Phase::ended;
    owner_.on_connect_failure(system_error);
    return;
  }
  if (phase_ == Phase::idle || (phase_ == Phase::tunnel && reader_ == nullptr)) {
    owner_.on_idle_end();
    return;
  }
  const auto kind = system_error == ETIMEDOUT ? StreamFailure::Kind::stalled : StreamFailure::Kind::closed;
  fail({.kind = kind, .system_error = system_error});
}

void ServerCodec::fail(StreamFailure failure) {
  phase_ = Phase::ended;
  failure.unanswered = nothing_sent() || connection_.received_bytes() == received_before_;
  if (http::StreamReader* reader = std::exchange(reader_, nullptr)) reader->on_failure(failure);
}

void ServerCodec::on_drained() {
  if (reader_ != nullptr) {
    reader_->on_writable();
  } else if (phase_ == Phase::tunnel && connection_.queued_bytes() == 0) {
    owner_.on_idle_end();
  }
}

void ServerCodec::write_request(const http::RequestHeadOut& head) {
  method_ = head.head->method;
  upgrade_wanted_ = !head.upgrade.empty();
  if (!connection_.open()) return;
  write_head(connection_,
             [&](char* out, std::size_t capacity) { return http::write_request_head(head, out, capacity); });
  body_out_.begin(head.body, head.content_length);
}

void ServerCodec::write_body(std::span<const char> bytes) {
  body_out_.write(connection_, bytes);
}

void ServerCodec::write_end(std::span<const http::Field> trailers) {
  if (phase_ == Phase::tunnel) {
    write_ended_ = true;
    connection_.end_writing();
    return;
  }
  if (body_out_.end(connection_, trailers)) request_done_ = true;
}

void ServerCodec::break_off() {
  reader_ = nullptr;
  phase_ = Phase::ended;
  // What has not left yet must not leave any more: the request may be on its way to another server already.
  connection_.loop().gather().discard(connection_);
  connection_.close();
}

std::uint64_t ServerCodec::raw_readable_bytes() const {
  if (connection_.unconsumed_bytes() > 0) return 0;
  return phase_ == Phase::body || phase_ == Phase::tunnel ? in_.raw_bytes() : 0;
}

void ServerCodec::end_raw_reading() {
  if (phase_ == Phase::body && reader_ != nullptr && in_.complete()) response_ended({}, false);
}

}  // namespace azulb::http1
