// What reaches the client: a server's response, an upgrade, or an answer of azulb's own.
#include <array>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "azulb/http/local_reply.hpp"
#include "azulb/http/status.hpp"
#include "azulb/http/upgrade.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {
namespace {

// A read that brought so much has more behind it. In a tunnel only a full one: most messages are small.
constexpr std::size_t bulk_body_bytes = 4 * 1024;
constexpr std::size_t bulk_tunnel_bytes = 64 * 1024;

}  // namespace

void Exchange::attempt_response(http::ResponseHead& head, const http::ResponseInfo& info) {
  if (info.interim) {
    http::ResponseHeadOut out;
    out.status = head.status;
    out.reason = head.reason;
    http::mark_hop_by_hop(head);
    out.fields = head.fields;
    client_writer_.write_response(out);
    if (client_writer_.queued_bytes() > net::queue_high_bytes) {
      server_paused_ = true;
      attempt_.writer()->pause_reading();
    }
    return;
  }
  if (info.switching) return start_tunnel(head, info);
  if (head.status >= 500) attempt_.record_error(ServerError::http_5xx);
  attempt_.record_outcome(head.status >= 500 ? balance::Outcome::status_5xx : balance::Outcome::success);
  const bool failed = is_retry_condition(head.status);
  if (budget_taken_) retry_budget().record(!failed);
  if (failed && retry_instead_of(head, info)) return;
  pass_response(head, info);
}

void Exchange::pass_response(http::ResponseHead& head, const http::ResponseInfo& info) {
  http::ResponseHeadOut out;
  out.status = head.status;
  out.reason = head.reason;
  http::mark_hop_by_hop(head);
  out.fields = head.fields;
  out.own = apply_response_rules(head.fields, head.status);
  if (!head.has(http::FieldId::date)) out.date = worker_.date().text();
  out.body = info.announced == http::BodyKind::until_close ? http::BodyKind::chunked : info.announced;
  out.content_length = info.content_length;
  out.close = client_.listener().leaving() || connection_used_up();
  enter(ExchangePhase::responding);
  status_ = static_cast<std::uint16_t>(head.status);
  first_byte_ns_ = worker_.loop().now_ns();
  replay_.clear();
  release_retry_budget();  // nothing of this exchange is tried again, however long its body takes
  client_writer_.write_response(out);
  snapshot_->upstream(upstream_).idle_timeout->start(timer_);
}

bool Exchange::connection_used_up() const {
  const std::uint64_t limit = listener_->config.limit.requests_per_connection;
  return limit != 0 && client_.requests() >= limit;
}

void Exchange::attempt_body(std::span<const char> bytes) {
  if (phase_ == ExchangePhase::tunnel) return tunnel_to_client(bytes);
  snapshot_->upstream(upstream_).idle_timeout->start(timer_);
  pass_to_client(bytes);
}

void Exchange::pass_to_client(std::span<const char> bytes) {
  body_sent_bytes_ += bytes.size();
  client_writer_.write_body(bytes);
  start_transfer(Direction::to_client, bytes.size());
  if (client_writer_.queued_bytes() <= net::queue_high_bytes) return;
  client_writer_.flush();
  if (client_writer_.queued_bytes() <= net::queue_high_bytes) return;
  // The write timeout of the client's connection watches over it now.
  server_paused_ = true;
  attempt_.writer()->pause_reading();
  if (phase_ == ExchangePhase::responding) timer_.stop();
}

void Exchange::start_transfer(Direction direction, std::size_t read_bytes) {
  // Only while bytes come in bulk: what is read in small pieces is cheaper to copy.
  if (read_bytes < (phase_ == ExchangePhase::tunnel ? bulk_tunnel_bytes : bulk_body_bytes)) return;
  http::StreamWriter& server = *attempt_.writer();
  const bool to_client = direction == Direction::to_client;
  http::StreamWriter& from = to_client ? server : client_writer_;
  http::StreamWriter& to = to_client ? client_writer_ : server;
  if (from.raw_connection() == nullptr || to.raw_connection() == nullptr) return;
  to.flush();
  const std::uint64_t limit_bytes = transfer_limit(direction);
  if (limit_bytes < RawTransfer::least_bytes || !RawTransfer::possible(from, to)) return;
  std::unique_ptr<RawTransfer>& transfer = to_client ? to_client_ : to_server_;
  if (transfer == nullptr) transfer = std::make_unique<RawTransfer>(*this, direction, from, to);
  // A tunnel goes back to copying when it falls quiet, so that idle ones hold no pipe.
  if (!transfer->running()) transfer->start(limit_bytes, phase_ == ExchangePhase::tunnel);
}

void Exchange::transferred(Direction direction, std::uint64_t size_bytes, bool sink_behind) {
  if (direction == Direction::to_client) {
    body_sent_bytes_ += size_bytes;
  } else {
    received_bytes_ += size_bytes;
  }
  WorkerUpstream& upstream = snapshot_->upstream(upstream_);
  if (phase_ == ExchangePhase::tunnel) {
    tunnel_transferred(direction, size_bytes);
  } else if (sink_behind || server_paused_) {
    timer_.stop();  // the write timeout of its connection watches over it
  } else if (phase_ == ExchangePhase::responding) {
    upstream.idle_timeout->start(timer_);
  } else if (phase_ == ExchangePhase::requesting) {
    listener_->body_timeout.start(timer_);
  }
}

void Exchange::on_writable() {
  if (!server_paused_ || client_writer_.queued_bytes() > net::queue_low_bytes) return;
  server_paused_ = false;
  attempt_.writer()->resume_reading();
  if (phase_ == ExchangePhase::responding) snapshot_->upstream(upstream_).idle_timeout->start(timer_);
}

void Exchange::attempt_end(std::span<http::Field> trailers) {
  if (phase_ == ExchangePhase::tunnel) {
    server_ended_ = true;
    client_writer_.write_end({});
    if (client_ended_) finish(tunnel_end_word(ErrorWord::none));
    return;
  }
  if (HeldAnswer* const answer = held()) {
    answer->complete = true;
    return;
  }
  AZULB_ASSERT(phase_ == ExchangePhase::responding);
  http::mark_trailers(trailers);
  // Before the client can see the end: a next request of its must find the server's count as it is.
  end_attempt();
  client_writer_.write_end(trailers);
  finish(ErrorWord::none);
}

void Exchange::on_body(std::span<const char> bytes) {
  received_bytes_ += bytes.size();
  if (phase_ == ExchangePhase::tunnel) return tunnel_to_server(bytes);
  if (body_too_large(received_bytes_ - request_->head_bytes)) {
    if (phase_ == ExchangePhase::responding) return abort_response(ErrorWord::body_too_large);
    end_attempt();
    return reply_error(ErrorWord::body_too_large);
  }
  forward_request_body(bytes);
}

void Exchange::on_end(std::span<http::Field> trailers) {
  if (phase_ == ExchangePhase::tunnel) {
    client_ended_ = true;
    attempt_.writer()->write_end({});
    if (server_ended_) finish(tunnel_end_word(ErrorWord::none));
    return;
  }
  if (request_complete_) return;  // it has no body
  request_complete_ = true;
  if (!trailers.empty()) {
    http::mark_trailers(trailers);
    trailers_ = std::make_unique<http::StoredFields>(trailers);
  }
  if (attempt_.writer() != nullptr) finish_request();
}

void Exchange::on_failure(const http::StreamFailure& failure) {
  if (failure.kind == http::StreamFailure::Kind::malformed && status_ == 0) {
    if (phase_ == ExchangePhase::waiting) stop_waiting();
    end_attempt();
    return reply_error(ErrorWord::bad_request, http::defect_word(failure.defect));
  }
  abort_response(failure.kind == http::StreamFailure::Kind::malformed
                     ? ErrorWord::bad_request
                     : tunnel_end_word(ErrorWord::client_closed));
}

void Exchange::abort_response(ErrorWord error) {
  client_writer_.abort();
  finish(error);
}

void Exchange::reply_error(ErrorWord error, std::string_view detail, int status) {
  if (status == 0) status = default_status(error);
  std::array<http::Field, 2> fields;
  std::size_t count = 0;
  switch (status) {
    case 405:
      fields[count++] = http::make_field("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
      break;
    case 426:
      fields[count++] = http::make_field("Upgrade", "websocket");
      fields[count++] = http::make_field("Sec-WebSocket-Version", "13");
      break;
    case 429:
    case 503:
      fields[count++] = http::make_field("Retry-After", "1");
      break;
    default:
      break;
  }
  reply({.status = status, .error = error, .detail = detail, .fields = std::span(fields).first(count)});
}

void Exchange::reply(const LocalReply& reply) {
  if (waits()) stop_waiting();
  enter(ExchangePhase::responding);
  timer_.stop();
  status_ = static_cast<std::uint16_t>(reply.status);
  first_byte_ns_ = worker_.loop().now_ns();
  char standard[http::local_body_capacity];
  std::string_view body = reply.body;
  std::string_view content_type = reply.content_type;
  const std::string_view request_id = request_ ? request_->forwarded.request_id : std::string_view();
  if (content_type.empty()) {
    const bool json = request_ && http::accepts_only_json(request_->head);
    const http::LocalBody written =
        http::write_local_body(reply.status, reply.detail, request_id, json, standard);
    body = std::string_view(standard, written.length);
    content_type = written.content_type;
  }
  std::array<http::Field, 8> own;
  std::size_t count = 0;
  own[count++] = http::make_field("Server", "azulb");
  own[count++] = http::make_field("Content-Type", content_type);
  if (!request_id.empty()) own[count++] = http::make_field("X-Request-ID", request_id);
  for (const http::Field& field : reply.fields)
    own[count++] = field;
  http::ResponseHeadOut out;
  out.status = reply.status;
  out.fields = std::span(own).first(count);
  out.own = apply_response_rules(std::span(own).first(count), reply.status);
  out.reason = http::reason_phrase(reply.status);
  out.date = worker_.date().text();
  const bool bodyless = reply.status == 204 || reply.status == 304;
  out.body = bodyless ? http::BodyKind::none : http::BodyKind::length;
  out.content_length = bodyless ? 0 : body.size();
  out.close = client_.listener().leaving() || connection_used_up() || client_.refused();
  client_writer_.write_response(out);
  if (!bodyless && !is_head_request()) {
    client_writer_.write_body(std::span(body.data(), body.size()));
    body_sent_bytes_ = body.size();
  }
  client_writer_.flush();  // the body lies on this stack
  client_writer_.write_end({});
  finish(reply.error);
}

bool Exchange::is_head_request() const {
  return request_ && request_->head.method == http::Method::head;
}

}  // namespace azulb::proxy
