#include "local_connection.hpp"

#include <time.h>

#include <array>
#include <string>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/http/status.hpp"
#include "azulb/http/upgrade.hpp"

namespace azulb::admin {
namespace {

constexpr std::size_t own_fields_limit = 8;  // what write_head adds by itself, at most

/// IMF-fixdate (RFC 9110 section 5.6.7). Pages of azulb's own are rare enough to format it each time.
std::string_view write_date(std::array<char, 32>& out) {
  const auto now = static_cast<std::time_t>(base::wall_clock_ns() / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&now, &parts);
  return {out.data(), strftime(out.data(), out.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

bool has_no_body(int status) {
  return status == 204 || status == 304;
}

}  // namespace

LocalConnection::LocalConnection(LocalServer& server)
    : server_(server),
      connection_(server.loop_, codec_),
      codec_(connection_, server.scratch_, server.codec_settings_, *this) {}

LocalConnection::~LocalConnection() = default;

void LocalConnection::adopt(int descriptor) {
  connection_.set_write_timeout(&server_.write_timeout_);
  last_used_ms_ = server_.loop_.now_ms();
  connection_.adopt(descriptor);
  codec_.start();
}

void LocalConnection::break_off() {
  close_stream();
  codec_.abort();
}

void LocalConnection::reclaim() {
  server_.reclaim(*this);
}

http::StreamReader& LocalConnection::open_stream(http::StreamWriter&) {
  ended_stream_.reset();
  body_.clear();
  phase_ = Phase::reading;
  // Most recently used last: the server closes from the front.
  unlink();
  server_.connections_.push_back(*this);
  return *this;
}

void LocalConnection::on_connection_closed() {
  close_stream();
  server_.connection_closed(*this);
}

void LocalConnection::on_request(http::StoredRequest request) {
  request_ = std::move(request);
  const http::RequestInfo& info = request_->info;
  if (info.body == http::BodyKind::none || (info.body == http::BodyKind::length && info.content_length == 0))
    return;
  if (info.content_length > server_.settings_.body_limit_bytes) {
    refuse(413);
    return;
  }
  server_.body_timeout_.start(timer_);
  if (!info.expect_continue) return;
  http::ResponseHeadOut interim;
  interim.status = 100;
  interim.reason = http::reason_phrase(100);
  codec_.write_response(interim);
}

void LocalConnection::on_bad_request(http::BadRequest bad) {
  refuse(bad.timed_out ? 408 : http::defect_status(bad.defect));
}

void LocalConnection::on_body(std::span<const char> bytes) {
  if (phase_ == Phase::upgraded) {
    stream_->on_bytes(bytes);
  } else if (phase_ == Phase::reading) {
    if (body_.size() + bytes.size() > server_.settings_.body_limit_bytes) {
      refuse(413);
    } else {
      body_.append(bytes);
    }
  }
}

void LocalConnection::on_end(std::span<http::Field>) {
  if (phase_ == Phase::reading) {
    dispatch();
  } else if (phase_ == Phase::upgraded) {
    stream_->on_end();
  }
}

void LocalConnection::dispatch() {
  timer_.stop();
  phase_ = Phase::handling;
  server_.handler_.handle(*this);
  if (phase_ == Phase::handling && stream_ == nullptr) refuse(500);
  if (phase_ == Phase::idle) {  // answered: an idle connection keeps nothing of it
    body_.clear();
    request_.reset();
  }
}

void LocalConnection::on_failure(const http::StreamFailure& failure) {
  if (phase_ == Phase::reading && failure.kind == http::StreamFailure::Kind::malformed) {
    refuse(http::defect_status(failure.defect));
  } else {
    break_off();
  }
}

void LocalConnection::on_writable() {
  if (stream_ != nullptr) stream_->on_writable();
}

void LocalConnection::on_timeout() {
  if (phase_ == Phase::reading) {
    refuse(408);
  } else {
    break_off();  // a client that does not end its side of an upgraded connection
  }
}

void LocalConnection::refuse(int status) {
  phase_ = Phase::handling;
  const std::string text = std::to_string(status) + " " + std::string(http::reason_phrase(status)) + "\n";
  respond({.status = status, .body = text, .close = true});
}

void LocalConnection::attach(std::unique_ptr<LocalStream> stream) {
  AZULB_ASSERT(phase_ == Phase::handling && stream_ == nullptr);
  stream_ = std::move(stream);
}

void LocalConnection::write_head(const LocalAnswer& answer, http::BodyKind body) {
  std::array<http::Field, own_fields_limit> own;
  std::size_t count = 0;
  own[count++] = http::make_field("Server", server_.settings_.server_name);
  if (!answer.content_type.empty()) own[count++] = http::make_field("Content-Type", answer.content_type);
  std::array<char, 28> accept;
  const bool switching = answer.status == 101;
  if (switching && request_->info.websocket) {
    accept = http::websocket_accept(
        http::find_field(request_->head.fields, http::FieldId::sec_websocket_key)->value);
    own[count++] = http::make_field("Sec-WebSocket-Accept", std::string_view(accept.data(), accept.size()));
  }
  std::array<char, 32> date;
  codec_.write_response({.status = answer.status,
                         .reason = http::reason_phrase(answer.status),
                         .fields = answer.fields,
                         .own = std::span(own.data(), count),
                         .date = write_date(date),
                         .body = body,
                         .content_length = answer.body.size(),
                         .upgrade = switching ? request_->info.upgrade : std::string_view{},
                         .close = answer.close});
}

void LocalConnection::respond(const LocalAnswer& answer) {
  AZULB_ASSERT(phase_ == Phase::handling);
  // Small answers are bounded by the number of connections: the codec takes no request while more is queued.
  if (answer.body.size() > net::queue_high_bytes &&
      answer.body.size() + server_.queued_bytes() > server_.settings_.queued_limit_bytes) {
    refuse(503);
    return;
  }
  write_head(answer, has_no_body(answer.status) ? http::BodyKind::none : http::BodyKind::length);
  codec_.write_body(answer.body);
  codec_.flush();  // the body is the caller's
  finish();
  codec_.write_end({});
}

bool LocalConnection::begin(const LocalAnswer& answer) {
  AZULB_ASSERT(phase_ == Phase::handling);
  write_head(answer, http::BodyKind::chunked);
  codec_.write_body(answer.body);
  codec_.flush();
  phase_ = Phase::answering;
  if (request_->head.method != http::Method::head) return true;
  end();
  return false;
}

void LocalConnection::upgrade() {
  AZULB_ASSERT(phase_ == Phase::handling && stream_ != nullptr && !request_->info.upgrade.empty());
  phase_ = Phase::upgraded;  // first: early bytes may follow at once
  write_head({.status = 101, .content_type = {}}, http::BodyKind::none);
  codec_.flush();
}

bool LocalConnection::write(std::string_view bytes) {
  AZULB_ASSERT(phase_ == Phase::answering || phase_ == Phase::upgraded);
  if (codec_.queued_bytes() >= net::queue_high_bytes) return false;
  codec_.write_body(bytes);
  codec_.flush();
  return true;
}

void LocalConnection::end() {
  AZULB_ASSERT(phase_ == Phase::answering || phase_ == Phase::upgraded);
  const bool upgraded = phase_ == Phase::upgraded;
  finish();
  if (upgraded) {
    phase_ = Phase::ending;
    server_.idle_timeout_.start(timer_);
    codec_.resume_reading();  // for the client's end
  }
  codec_.write_end({});
}

void LocalConnection::abort() {
  finish();
  codec_.abort();
}

void LocalConnection::finish() {
  timer_.stop();
  phase_ = Phase::idle;
  last_used_ms_ = server_.loop_.now_ms();
  if (stream_ != nullptr) ended_stream_ = std::move(stream_);
}

void LocalConnection::close_stream() {
  const bool had_stream = stream_ != nullptr;
  finish();
  if (had_stream) ended_stream_->on_closed();
}

}  // namespace azulb::admin
