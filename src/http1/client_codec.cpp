#include "azulb/http1/client_codec.hpp"

#include <cerrno>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/http1/head_output.hpp"

namespace azulb::http1 {

using http::BodyKind;
using http::Defect;
using http::StreamFailure;

namespace {

// Pipelined requests that wait unparsed behind a running one: past this the socket is not read.
constexpr std::size_t pipelined_bytes_limit = 64 * 1024;

}  // namespace

void ClientCodec::start() {
  // (It may have been told to drain during a TLS handshake.)
  (draining_ ? settings_.linger_timeout : settings_.keepalive_timeout)->start(timer_);
}

void ClientCodec::drain() {
  draining_ = true;
  if (!idle() || !connection_.open()) return;
  if (connection_.unconsumed_bytes() > 0 || connection_.has_pending_input()) return;
  if (fresh_) {
    settings_.linger_timeout->start(timer_);  // its first request is probably on the way
  } else {
    finish();
  }
}

void ClientCodec::close_if_idle() {
  if (idle() && !fresh_) drain();
}

void ClientCodec::break_off() {
  if (connection_.open()) on_failure(0);
}

std::size_t ClientCodec::on_bytes(std::span<const char> input) {
  std::string_view bytes(input.data(), input.size());
  for (bool progress = true; progress && !bytes.empty() && connection_.open();) {
    const std::size_t before = bytes.size();
    const Phase phase = phase_;
    switch (phase_) {
      case Phase::head:
        bytes = read_head(bytes);
        break;
      case Phase::body:
        bytes = read_body(bytes);
        break;
      case Phase::tunnel:
        reader_->on_body(bytes);
        return input.size();
      case Phase::complete:
        if (bytes.size() >= pipelined_bytes_limit) connection_.pause_reading();
        return input.size() - bytes.size();
      case Phase::lingering:
      case Phase::closed:
        return input.size();
    }
    progress = (bytes.size() != before || phase_ != phase) && !connection_.reading_paused();
  }
  // Nothing follows a half-closed client's last bytes: the rest of a head will not come, nor another request.
  if (half_closed_ && phase_ == Phase::head && !connection_.reading_paused()) finish();
  return connection_.open() ? input.size() - bytes.size() : input.size();
}

std::string_view ClientCodec::read_head(std::string_view bytes) {
  if (connection_.queued_bytes() > net::queue_high_bytes) {
    // A client that pipelines requests without reading the answers waits here.
    connection_.flush();
    if (connection_.queued_bytes() > net::queue_high_bytes) {
      connection_.pause_reading();
      return bytes;
    }
  }
  const bool started = in_.head().started();
  http::RequestHead head;
  switch (in_.head().parse_request(bytes, settings_.limits, scratch_.fields, head)) {
    case ParseStatus::need_more:
      if (!started) {
        settings_.header_timeout->start(timer_);
        head_begun_ms_ = static_cast<std::uint32_t>(connection_.loop().now_ms());
      }
      return bytes;
    case ParseStatus::error:
      refuse({.defect = in_.head().defect(), .head_ms = head_ms(started), .request = {}});
      return {};
    case ParseStatus::complete:
      break;
  }
  const std::size_t length = in_.head().head_length();
  timer_.stop();
  first_ = fresh_;
  fresh_ = false;
  if (!first_) settings_.habit->asked_again();
  in_.begin_head();
  accept_request(head, bytes.substr(0, length), head_ms(started));
  return bytes.substr(length);
}

std::uint32_t ClientCodec::head_ms(bool in_parts) const {
  return in_parts ? static_cast<std::uint32_t>(connection_.loop().now_ms()) - head_begun_ms_ : 0;
}

void ClientCodec::accept_request(const http::RequestHead& head, std::string_view bytes,
                                 std::uint32_t head_ms) {
  http::StoredRequest request(head, bytes);
  request->head_ms = head_ms;
  request->version = head.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
  const Defect defect = judge_request(request->head, request->info);
  if (defect != Defect::none) {
    refuse({.defect = defect, .head_ms = head_ms, .request = std::move(request)});
    return;
  }
  const http::RequestInfo& info = request->info;
  http10_ = request->head.version_minor == 0;
  head_request_ = request->head.method == http::Method::head;
  client_closes_ = !info.keep_alive;
  keep_alive_ = info.keep_alive && !draining_;
  response_begun_ = response_done_ = write_ended_ = false;
  in_.begin(info.body, info.content_length);
  const bool bodyless = in_.complete();
  if (bodyless) connection_.expect_no_input();
  phase_ = bodyless ? Phase::complete : Phase::body;
  written_before_ = connection_written_bytes();
  reader_ = &acceptor_.open_stream(*this);
  reader_->on_request(std::move(request));
  if (bodyless && reader_ != nullptr && phase_ == Phase::complete) {
    if (half_closed_) settings_.half_close_grace->start(timer_);
    reader_->on_end({});
  }
}

void ClientCodec::refuse(http::BadRequest bad) {
  timer_.stop();
  http10_ = head_request_ = keep_alive_ = client_closes_ = false;
  response_begun_ = response_done_ = false;
  phase_ = Phase::lingering;  // nothing more of this connection is parsed
  written_before_ = connection_written_bytes();
  reader_ = &acceptor_.open_stream(*this);
  reader_->on_bad_request(std::move(bad));
}

std::string_view ClientCodec::read_body(std::string_view bytes) {
  switch (in_.read(bytes, connection_, *reader_, scratch_.trailers)) {
    case MessageReader::Status::need_more:
    case MessageReader::Status::paused:
      break;
    case MessageReader::Status::complete:
      if (phase_ == Phase::body) request_ended(scratch_.trailers.fields());
      break;
    case MessageReader::Status::error:
      fail_stream({.kind = StreamFailure::Kind::malformed, .defect = in_.defect()});
      return {};
  }
  return bytes;
}

void ClientCodec::request_ended(std::span<http::Field> trailers) {
  AZULB_ASSERT(reader_ != nullptr);
  phase_ = Phase::complete;
  connection_.expect_no_input();
  reader_->on_end(trailers);
}

void ClientCodec::on_end() {
  half_closed_ = true;
  switch (phase_) {
    case Phase::head:
      if (first_) settings_.habit->closed_after_one_request();
      [[fallthrough]];
    case Phase::lingering:
      if (reader_ != nullptr) return;  // the refusal is still being written
      finish();
      return;
    case Phase::body:
      fail_stream({.kind = StreamFailure::Kind::closed});
      return;
    case Phase::complete:
      // FIN alone does not tell a client that has gone from one that only ended its side.
      settings_.half_close_grace->start(timer_);
      return;
    case Phase::tunnel: {
      http::StreamReader* reader = reader_;
      timer_.stop();
      if (write_ended_) reader_ = nullptr;
      reader->on_end({});
      if (reader_ == nullptr && phase_ == Phase::tunnel) finish();
      return;
    }
    case Phase::closed:
      return;
  }
}

void ClientCodec::on_failure(int system_error) {
  const auto kind = system_error == ETIMEDOUT ? StreamFailure::Kind::stalled : StreamFailure::Kind::closed;
  fail_stream({.kind = kind, .system_error = system_error});
  reader_ = nullptr;  // it has been told
  if (connection_.open()) close();
}

void ClientCodec::fail_stream(const StreamFailure& failure) {
  timer_.stop();
  keep_alive_ = false;
  if (phase_ != Phase::closed) phase_ = Phase::lingering;
  if (reader_ != nullptr) reader_->on_failure(failure);
}

void ClientCodec::on_drained() {
  if (reader_ != nullptr) {
    reader_->on_writable();
  } else if (phase_ == Phase::head) {
    connection_.resume_reading();
  } else if (phase_ == Phase::lingering && connection_.queued_bytes() == 0) {
    linger();
  }
}

void ClientCodec::write_response(const http::ResponseHeadOut& head) {
  if (!connection_.open()) return;
  const bool interim = head.status < 200 && head.status != 101;
  if (interim && http10_) return;  // HTTP/1.0 knows no interim responses (RFC 9110 section 15.2)
  http::ResponseHeadOut out = head;
  BodyKind body_sent = BodyKind::none;
  if (!interim) {
    // What is not read of the request must not be taken for the next one: then the connection ends here.
    const bool last = half_closed_ && connection_.unconsumed_bytes() == 0;
    if (head.close || draining_ || last || phase_ == Phase::body) keep_alive_ = false;
    const bool bodyless = head_request_ || head.status == 204 || head.status == 304 || head.status == 101;
    if (!bodyless) body_sent = head.body;
    if (http10_ && head.body == BodyKind::chunked) {
      out.body = BodyKind::until_close;
      if (!bodyless) body_sent = BodyKind::until_close;
    }
    if (body_sent == BodyKind::until_close) keep_alive_ = false;
    out.close = !keep_alive_ && head.status != 101;
    out.keep_alive = keep_alive_ && http10_;
    response_begun_ = true;
  }
  write_head(connection_,
             [&](char* to, std::size_t capacity) { return http::write_response_head(out, to, capacity); });
  if (interim) {
    connection_.flush();
    return;
  }
  if (head.status == 101) {
    phase_ = Phase::tunnel;
    in_.begin(BodyKind::until_close, 0);
    body_out_.begin(BodyKind::until_close, 0);
    connection_.resume_reading();
    return;
  }
  body_out_.begin(body_sent, head.content_length);
}

void ClientCodec::write_body(std::span<const char> bytes) {
  body_out_.write(connection_, bytes);
}

void ClientCodec::write_end(std::span<const http::Field> trailers) {
  if (!connection_.open()) return;
  if (phase_ == Phase::tunnel) {
    write_ended_ = true;
    connection_.end_writing();
    if (half_closed_ && !timer_.running()) {
      reader_ = nullptr;
      finish();
    }
    return;
  }
  if (!body_out_.end(connection_, trailers)) {
    abort();
    return;
  }
  response_ended();
}

void ClientCodec::response_ended() {
  AZULB_ASSERT(response_begun_);
  response_done_ = true;
  reader_ = nullptr;
  in_.stop();  // the stream is over: of a body that is still coming it is told nothing more
  if (phase_ == Phase::complete && keep_alive_) {
    next_request();
  } else {
    finish();
  }
}

void ClientCodec::next_request() {
  // A pipelined request that is here already is still served; its answer says close. (The client may have
  // ended its side after the response's head promised to stay.)
  if (!keep_alive_ || ((draining_ || half_closed_) && connection_.unconsumed_bytes() == 0)) {
    finish();
    return;
  }
  phase_ = Phase::head;
  in_.begin_head();
  settings_.keepalive_timeout->start(timer_);
  if (first_ && settings_.habit->one_request_each()) {
    connection_.expect_end();
  } else {
    connection_.resume_reading();
  }
}

void ClientCodec::finish() {
  // Closing while the client still sends would turn into a reset that may overtake the response. One that is
  // idle sends nothing.
  const bool nothing_follows =
      half_closed_ || phase_ == Phase::head ||
      (client_closes_ && phase_ == Phase::complete && connection_.unconsumed_bytes() == 0);
  timer_.stop();  // while the last response is on its way out, only the write timeout counts
  phase_ = Phase::lingering;
  connection_.flush();
  if (!connection_.open()) return;
  if (nothing_follows && connection_.queued_bytes() == 0) {
    close();
    return;
  }
  connection_.end_writing();
  connection_.expect_end();
  if (connection_.queued_bytes() == 0) linger();
}

void ClientCodec::linger() {
  if (half_closed_) {
    close();
  } else {
    settings_.linger_timeout->start(timer_);
  }
}

void ClientCodec::abort() {
  reader_ = nullptr;
  if (phase_ == Phase::closed) return;
  connection_.abort();
  close();
}

void ClientCodec::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  timer_.stop();
  connection_.close();
  if (http::StreamReader* reader = std::exchange(reader_, nullptr)) {
    reader->on_failure({.kind = StreamFailure::Kind::closed});
  }
  acceptor_.on_connection_closed();
}

std::uint64_t ClientCodec::raw_readable_bytes() const {
  if (connection_.unconsumed_bytes() > 0) return 0;
  return phase_ == Phase::body || phase_ == Phase::tunnel ? in_.raw_bytes() : 0;
}

void ClientCodec::end_raw_reading() {
  if (phase_ == Phase::body && in_.complete()) request_ended({});
}

void ClientCodec::on_timeout() {
  switch (phase_) {
    case Phase::head:
      if (in_.head().started()) {
        refuse({.head_ms = head_ms(true), .timed_out = true, .request = {}});
      } else if (connection_.queued_bytes() > 0) {
        settings_.keepalive_timeout->start(timer_);  // not idle: it is still taking its last response
      } else {
        close();
      }
      return;
    case Phase::complete:
      fail_stream({.kind = StreamFailure::Kind::closed});
      return;
    case Phase::lingering:
      if (reader_ == nullptr) close();
      return;
    case Phase::tunnel:  // half-closed before the server agreed to the upgrade: told only now
      on_end();
      return;
    case Phase::body:
    case Phase::closed:
      return;
  }
}

}  // namespace azulb::http1
