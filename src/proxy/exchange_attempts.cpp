// An exchange's way to a server: choosing, waiting, sending.
#include <algorithm>
#include <cstring>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/server_request.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

void Exchange::choose_server() {
  enter(ExchangePhase::choosing);
  WorkerUpstream& upstream = snapshot_->upstream(upstream_);
  // Nobody overtakes those that wait, but for who has been at a server before.
  if (attempts_ == 0 && !upstream.snapshot->state->waiting().empty()) return wait_in_line();
  if (const auto server = acquire_server()) {
    begin_attempt(*server);
  } else {
    wait_for_server();
  }
}

std::optional<std::uint32_t> Exchange::acquire_server() {
  WorkerUpstream& upstream = snapshot_->upstream(upstream_);
  balance::Choice choice = choice_for(*upstream.snapshot, *request_);
  choice.tried = tried();
  return upstream.selector->choose_and_acquire(choice);
}

void Exchange::wait_for_server() {
  const WorkerUpstream& upstream = snapshot_->upstream(upstream_);
  const balance::UpstreamSummary summary = upstream.snapshot->state->summary();
  const std::int64_t patience_ms = upstream.snapshot->config->queue_timeout.count();
  const bool checked = upstream.snapshot->config->health.has_value();
  const bool returns_in_time =
      summary.next_return_ms != 0 && summary.next_return_ms - worker_.loop().now_ms() <= patience_ms;
  const bool drained = summary.draining + summary.disabled > 0;  // whoever did that may undo it
  const bool all_busy = summary.eligible > 0;
  if (!all_busy && !checked && !returns_in_time && !drained)
    return reply_error(ErrorWord::no_server, "no server is available");
  wait_in_line();
}

void Exchange::wait_in_line() {
  WorkerUpstream& upstream = snapshot_->upstream(upstream_);
  const config::Upstream& config = *upstream.snapshot->config;
  waiting_since_ns_ = worker_.loop().now_ns();
  if (!upstream.waiting->enter(*this, config.queue, attempts_ > 0))
    return reply_error(ErrorWord::queue_full, "too many requests wait for a server");
  enter(ExchangePhase::waiting);
  // Waiting again after a failed attempt does not start the patience anew.
  const std::int64_t waited_ms = queue_ns_ > 0 ? queue_ns_ / 1'000'000 : 0;
  if (waited_ms == 0) {
    upstream.queue_timeout->start(timer_);
  } else {
    worker_.loop().timers().start(timer_, std::chrono::milliseconds(std::max<std::int64_t>(
                                              config.queue_timeout.count() - waited_ms, 1)));
  }
}

void Exchange::stop_waiting() {
  timer_.stop();
  WorkerUpstream& upstream = snapshot_->upstream(upstream_);
  if (linked()) {
    upstream.waiting->leave(*this);
  } else {
    retry_->awaits_return = false;
    upstream.snapshot->state->waiting().end();
  }
  queue_ns_ = std::max<std::int64_t>(queue_ns_, 0) + worker_.loop().now_ns() - waiting_since_ns_;
}

bool Exchange::try_again() {
  AZULB_ASSERT(phase_ == ExchangePhase::waiting);
  const auto server = acquire_server();
  if (!server) return false;
  stop_waiting();
  enter(ExchangePhase::choosing);
  begin_attempt(*server);
  return true;
}

bool Exchange::may_reuse_connection() const {
  // A kept connection may prove stale, which is harmless only if the request can be sent again.
  // Of a chunked body that still comes it is not known whether it will fit into what is kept.
  const bool size_known = request_->info.body != http::BodyKind::chunked || request_complete_;
  const bool body_at_hand = request_->info.body == http::BodyKind::none || (replayable_ && size_known);
  return request_->info.idempotent && body_at_hand;
}

void Exchange::begin_attempt(std::uint32_t server) {
  WorkerUpstream& upstream = snapshot_->upstream(upstream_);
  if (attempts_ > 0) upstream.servers[server].metrics->retries.add();
  if (attempts_ > 0) retry_state().remember(attempts_, server);
  ++attempts_;
  last_server_ = server;
  enter(ExchangePhase::connecting);
  // Connected at once or not, a pending connection is watched over; one that could not even be begun has
  // failed.
  const int system_error = attempt_.begin(upstream, server, may_reuse_connection());
  if (system_error != 0) return attempt_failed(connect_failure(system_error));
  if (phase_ == ExchangePhase::connecting) upstream.connect_timeout->start(timer_);
}

void Exchange::attempt_connected() {
  enter(ExchangePhase::requesting);
  if (request_->info.websocket && !attempt_.takes_websocket()) {
    end_attempt();
    return reply_error(ErrorWord::upstream_websocket, "the server takes no WebSockets over HTTP/2");
  }
  send_request();
}

void Exchange::send_request() {
  const UpstreamSnapshot& snapshot = *snapshot_->upstream(upstream_).snapshot;
  http::StreamWriter& writer = *attempt_.writer();
  writer.write_request(head_for_server(snapshot, attempt_.server(), *request_, *rules_,
                                       listener_->config.name, worker_.header_scratch()));
  if (!replay_.empty()) writer.write_body(replay_.bytes());
  if (replay_.size() > destination_->replay_bytes) {
    // More came before there was a connection than may be kept.
    writer.flush();
    replay_.clear();
    replayable_ = false;
  }
  if (request_complete_) finish_request();
  // Not held with other small messages: the server can work on it while the clients' next requests are read.
  writer.flush();
  if (request_complete_) return;
  if (client_paused_ && writer.queued_bytes() <= net::queue_high_bytes) {
    client_paused_ = false;
    client_writer_.resume_reading();
  }
  if (client_paused_) {
    timer_.stop();  // the write timeout of the server's connection watches over it now
  } else {
    listener_->body_timeout.start(timer_);
  }
}

void Exchange::finish_request() {
  attempt_.writer()->write_end(trailers_ != nullptr ? trailers_->fields() : std::span<http::Field>());
  attempt_.request_sent();
  if (phase_ == ExchangePhase::requesting) snapshot_->upstream(upstream_).response_timeout->start(timer_);
}

void Exchange::forward_request_body(std::span<const char> bytes) {
  const std::uint64_t keep_limit = destination_->replay_bytes;
  http::StreamWriter* writer = attempt_.writer();
  if (writer == nullptr) {
    // Not connected yet: all of it is kept, and what may come on top is one read.
    replay_.append(bytes);
    if (replay_.size() >= std::min<std::uint64_t>(keep_limit, net::queue_high_bytes)) {
      client_paused_ = true;
      client_writer_.pause_reading();
    }
    return;
  }
  if (replayable_ && phase_ == ExchangePhase::requesting) {
    if (replay_.size() + bytes.size() <= keep_limit) {
      replay_.append(bytes);
    } else {
      replayable_ = false;
      writer->flush();
      replay_.clear();
    }
  }
  writer->write_body(bytes);
  if (writer->queued_bytes() > net::queue_high_bytes) {
    writer->flush();
    if (writer->queued_bytes() > net::queue_high_bytes) {
      // The write timeout of the server's connection watches over it now.
      client_paused_ = true;
      client_writer_.pause_reading();
      if (phase_ == ExchangePhase::requesting) timer_.stop();
      return;
    }
  }
  if (phase_ == ExchangePhase::requesting) listener_->body_timeout.start(timer_);
  // What goes past in the kernel can't be kept for another attempt.
  if (!replayable_ || phase_ == ExchangePhase::responding) start_transfer(Direction::to_server, bytes.size());
}

void Exchange::attempt_writable() {
  if (!client_paused_ || held() != nullptr) return;
  client_paused_ = false;
  client_writer_.resume_reading();
  if (phase_ == ExchangePhase::requesting && !request_complete_) listener_->body_timeout.start(timer_);
}

}  // namespace azulb::proxy
