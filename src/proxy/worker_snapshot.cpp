#include "azulb/proxy/worker_snapshot.hpp"

#include <utility>

namespace azulb::proxy {

WorkerSnapshot::WorkerSnapshot(net::Loop& loop, upstream::PoolContext& pool_context, base::Random& random,
                               std::shared_ptr<Snapshot> snapshot, std::shared_ptr<WorkerMetrics> metrics)
    : loop_(loop),
      snapshot_(std::move(snapshot)),
      metrics_(std::move(metrics)),
      upstreams_(snapshot_->upstream_count()) {
  build_listeners();
  for (std::size_t index = 0; index < upstreams_.size(); ++index)
    build_upstream(upstreams_[index], index, pool_context, random);
}

void WorkerSnapshot::build_listeners() {
  net::TimerQueue& timers = loop_.timers();
  for (const config::Listener& listener : config().listeners) {
    const std::size_t index = listeners_.size();
    listeners_.push_back({.config = listener,
                          .index = static_cast<std::uint32_t>(index),
                          .metrics = metrics_->listener(index),
                          .body_timeout = timers.list(listener.timeout.body),
                          .send_timeout = timers.list(listener.timeout.send),
                          .handshake_timeout = timers.list(listener.timeout.tls_handshake),
                          .tls = snapshot_->listener_tls(index)});
  }
}

void WorkerSnapshot::build_upstream(WorkerUpstream& upstream, std::size_t index,
                                    upstream::PoolContext& pool_context, base::Random& random) {
  net::TimerQueue& timers = loop_.timers();
  UpstreamSnapshot& snapshot = snapshot_->upstream(index);
  const config::Upstream& config = *snapshot.config;
  upstream.snapshot = &snapshot;
  upstream.selector = snapshot.state->make_selector(random.next());
  upstream.connect_timeout = &timers.list(config.timeout.connect);
  upstream.response_timeout = &timers.list(config.timeout.response);
  upstream.idle_timeout = &timers.list(config.timeout.idle);
  upstream.tunnel_timeout = &timers.list(config.timeout.tunnel);
  upstream.queue_timeout = &timers.list(config.queue_timeout);
  upstream.servers = std::vector<WorkerServer>(snapshot.addresses.size());
  for (std::size_t server = 0; server < snapshot.addresses.size(); ++server) {
    WorkerServer& built = upstream.servers[server];
    built.metrics = &metrics_->server(index, server);
    const upstream::PoolSettings settings{.address = snapshot.addresses[server],
                                          .protocol = config.protocol,
                                          .connections = config.keepalive.connections,
                                          .idle = config.keepalive.idle,
                                          .requests = config.keepalive.requests,
                                          .proxy_protocol = config.proxy_protocol,
                                          .write_timeout = upstream.idle_timeout,
                                          .tls = snapshot.tls.get(),
                                          .tls_name = snapshot.tls ? snapshot.tls_names[server] : "",
                                          .idle_gauge = &built.metrics->connections_idle};
    built.pool = std::make_unique<upstream::ServerPool>(pool_context, settings);
  }
}

void WorkerSnapshot::server_changed(std::uint32_t index, std::uint32_t server) {
  WorkerUpstream& upstream = upstreams_[index];
  balance::UpstreamState& state = *upstream.snapshot->state;
  const balance::ServerWord word = state.server(server).word();
  upstream.servers[server].pool->keep_idle(word.enabled());
  if (word.health() == balance::Health::down) {
    upstream.servers[server].awaiting.for_each(
        [](Attempt& attempt) { attempt.exchange().server_went_down(); });
    upstream.servers[server].pool->close_idle();
  }
  if (state.summary().eligible == 0) return;
  while (!upstream.waiting.empty() && upstream.waiting.front().try_again()) {
  }
}

void WorkerSnapshot::close_pools() {
  for (WorkerUpstream& upstream : upstreams_) {
    for (WorkerServer& server : upstream.servers)
      server.pool->close_all();
  }
}

}  // namespace azulb::proxy
