#include "azulb/proxy/attempt.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

using http::StreamFailure;

Attempt::~Attempt() {
  end();
}

int Attempt::begin(WorkerUpstream& upstream, std::uint32_t server, bool may_reuse) {
  AZULB_ASSERT(!active());
  upstream_ = &upstream;
  server_ = server;
  begun_again_ = false;
  metrics().requests.add();
  return open(may_reuse);
}

int Attempt::begin_again() {
  AZULB_ASSERT(active());
  begun_again_ = true;
  unlink();
  lease_.release();
  return open(false);
}

int Attempt::open(bool may_reuse) {
  begun_ns_ = exchange_.worker().loop().now_ns();
  request_sent_ns_ = 0;
  head_seen_ = false;
  upstream::ServerPool& pool = *upstream_->servers[server_].pool;
  upstream::PrivateConnections* owner =
      pool.speaks_proxy_protocol() ? exchange_.client().private_connections() : nullptr;
  lease_ = pool.lease_kept(may_reuse ? upstream::Trust::kept : upstream::Trust::proven, owner);
  reused_ = static_cast<bool>(lease_);
  if (!reused_) return pool.connect(*this, owner);
  metrics().connections_reused.add();
  connected();
  return 0;
}

void Attempt::connected() {
  lease_.open_stream(*this);
  upstream_->servers[server_].awaiting.push_back(*this);
  exchange_.attempt_connected();
}

void Attempt::on_connected(upstream::Lease lease) {
  lease_ = std::move(lease);
  reused_ = lease_.reused();
  if (reused_) {
    metrics().connections_reused.add();
  } else {
    metrics().connections_opened.add();
    metrics().connect_time.observe(exchange_.worker().loop().now_ns() - begun_ns_);
  }
  connected();
}

void Attempt::on_connect_failure(const upstream::ConnectFailure& failure) {
  const bool by_tls = !failure.tls.empty();
  const std::string_view words = by_tls ? failure.tls : failure.protocol;
  AttemptEnd end = words.empty() ? connect_failure(failure.system_error)
                   : by_tls      ? tls_failure
                                 : protocol_failure;
  end.known = failure.known;
  if (words.empty()) return exchange_.attempt_failed(end);
  if (upstream_->servers[server_].tls_warning.due(exchange_.worker().loop().now_ms())) {
    const balance::UpstreamState& state = *upstream_->snapshot->state;
    base::log_warn("upstream {}: server {}: {}{}", state.settings().name, state.server(server_).name(),
                   by_tls ? "TLS: " : "", words);
  }
  exchange_.attempt_failed(end);
}

void Attempt::end() {
  if (!active()) return;
  unlink();
  stop_waiting();
  lease_.release();
  if (std::exchange(tunnel_counted_, false)) metrics().tunnels_active.subtract();
  WorkerUpstream& upstream = *std::exchange(upstream_, nullptr);
  upstream.snapshot->state->release(server_);
}

AttemptEnd Attempt::give_up_connecting() {
  AttemptEnd end = timed_out;
  end.known = !give_up();
  return end;
}

void Attempt::request_sent() {
  request_sent_ns_ = exchange_.worker().loop().now_ns();
}

ServerMetrics& Attempt::metrics() {
  return *upstream_->servers[server_].metrics;
}

void Attempt::record_error(ServerError error) {
  metrics().add_error(error);
}

void Attempt::record_outcome(balance::Outcome outcome) {
  balance::UpstreamState& state = *upstream_->snapshot->state;
  const balance::Ejection ejection =
      state.record_outcome(server_, outcome, exchange_.worker().loop().now_ms());
  using Verdict = balance::Ejection::Verdict;
  if (ejection.verdict == Verdict::none) return;
  const char* what = ejection.cause == balance::Outcome::error ? "errors" : "5xx answers";
  const balance::ServerState& server = state.server(server_);
  if (ejection.verdict == Verdict::ejected) {
    metrics().ejections.add();
    base::log_warn("upstream {}: server {} ({}) is ejected for {} ms: {} {} in a row", state.settings().name,
                   server.name(), server.address(), ejection.duration_ms, ejection.failures, what);
  } else {
    base::log_warn("upstream {}: server {} ({}) stays in use after {} {} in a row: max_ejected is reached",
                   state.settings().name, server.name(), server.address(), ejection.failures, what);
  }
}

void Attempt::count_tunnel() {
  tunnel_counted_ = true;
  metrics().tunnels_active.add();
  upstream_->servers[server_].tunnels.push_back(*this);
}

void Attempt::on_response(http::ResponseHead& head, const http::ResponseInfo& info) {
  if (!info.interim) {
    head_seen_ = true;
    unlink();
    const std::int64_t since_ns = request_sent_ns_ != 0 ? request_sent_ns_ : begun_ns_;
    const std::int64_t latency_ns = exchange_.worker().loop().now_ns() - since_ns;
    metrics().response_time.observe(latency_ns);
    balance::UpstreamState& state = *upstream_->snapshot->state;
    if (state.measures_latency())
      state.record_latency(server_, latency_ns / 1'000, exchange_.worker().loop().now_ms());
  }
  exchange_.attempt_response(head, info);
}

void Attempt::on_body(std::span<const char> bytes) {
  exchange_.attempt_body(bytes);
}

void Attempt::on_end(std::span<http::Field> trailers) {
  exchange_.attempt_end(trailers);
}

void Attempt::on_failure(const StreamFailure& failure) {
  AttemptEnd end;
  switch (failure.kind) {
    case StreamFailure::Kind::closed:
      break;
    case StreamFailure::Kind::malformed:
      end = protocol_failure;
      break;
    case StreamFailure::Kind::stalled:
      end = timed_out;
      break;
  }
  end.unanswered = failure.unanswered;
  end.refused = failure.refused;
  exchange_.attempt_failed(end);
}

void Attempt::on_writable() {
  exchange_.attempt_writable();
}

}  // namespace azulb::proxy
