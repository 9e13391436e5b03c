#include "azulb/proxy/worker_snapshot.hpp"

#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "azulb/proxy/exchange.hpp"

namespace azulb::proxy {
namespace {

bool names_same_servers(const config::Upstream& one, const config::Upstream& other) {
  return one.servers == other.servers && one.discover == other.discover;
}

}  // namespace

WorkerSnapshot::WorkerSnapshot(WorkerSnapshotOwner& owner, net::Loop& loop,
                               upstream::PoolContext& pool_context, base::Random& random, Wakeups& wakeups,
                               std::shared_ptr<Snapshot> snapshot, std::shared_ptr<WorkerMetrics> metrics,
                               WorkerSnapshot* earlier)
    : owner_(owner),
      loop_(loop),
      snapshot_(std::move(snapshot)),
      metrics_(std::move(metrics)),
      upstreams_(snapshot_->upstream_count()) {
  build_listeners();
  for (std::size_t index = 0; index < upstreams_.size(); ++index)
    build_upstream(upstreams_[index], index, pool_context, random, wakeups, earlier);
  for (const config::Route& route : config().routes)
    route_timeouts_.push_back(route.timeout.count() > 0 ? &loop.timers().list(route.timeout) : nullptr);
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
                          .tls = snapshot_->listener_tls(index).get()});
  }
}

void WorkerSnapshot::build_upstream(WorkerUpstream& upstream, std::size_t index,
                                    upstream::PoolContext& pool_context, base::Random& random,
                                    Wakeups& wakeups, WorkerSnapshot* earlier) {
  net::TimerQueue& timers = loop_.timers();
  UpstreamSnapshot& snapshot = snapshot_->upstream(index);
  const config::Upstream& config = *snapshot.config;
  // Its places are those of the snapshot right before.
  const bool follows = earlier != nullptr && earlier->snapshot().number() + 1 == snapshot_->number();
  const WorkerUpstream* const before =
      follows && snapshot.earlier_index ? &earlier->upstream(*snapshot.earlier_index) : nullptr;
  upstream.snapshot = &snapshot;
  upstream.selector = before != nullptr && before->snapshot->state == snapshot.state
                          ? before->selector
                          : snapshot.state->make_selector(random.next());
  upstream.waiting = std::make_unique<WaitingRoom>(loop_, wakeups, snapshot.state);
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
                                          .tls = snapshot.tls,
                                          .tls_name = snapshot.tls ? snapshot.tls_names[server] : "",
                                          .idle_gauge = &built.metrics->connections_idle,
                                          .floods = &built.metrics->floods};
    const auto place = before != nullptr ? snapshot.earlier_servers[server] : std::nullopt;
    if (place && before->servers[*place].pool->settings() == settings) {
      built.pool = before->servers[*place].pool;
    } else {
      built.pool = std::make_shared<upstream::ServerPool>(pool_context, settings);
      built.pool->keep_idle(snapshot.state->server(static_cast<std::uint32_t>(server)).word().enabled());
    }
  }
}

void WorkerSnapshot::server_changed(const balance::ServerState& server) {
  const auto place = snapshot_->find_server(server);
  if (!place) return;
  WorkerUpstream& upstream = upstreams_[place->upstream];
  WorkerServer& changed = upstream.servers[place->server];
  pace_tunnels(upstream, place->server);
  const balance::ServerWord word = server.word();
  if (!superseded_) changed.pool->keep_idle(word.enabled());
  if (word.health() == balance::Health::down) {
    changed.awaiting.for_each([](Attempt& attempt) { attempt.exchange().server_went_down(); });
    changed.pool->close_idle();
  }
  if (upstream.snapshot->state->summary().eligible == 0) return;
  upstream.waiting->serve();
}

void WorkerSnapshot::tunnel_begun(std::uint32_t upstream, std::uint32_t server, const Snapshot& newest) {
  if (superseded_) compare_servers(upstreams_[upstream], newest);
  pace_tunnels(upstreams_[upstream], server);
}

void WorkerSnapshot::compare_servers(const Snapshot& newest) {
  for (WorkerUpstream& upstream : upstreams_)
    compare_servers(upstream, newest);
}

void WorkerSnapshot::compare_servers(WorkerUpstream& upstream, const Snapshot& newest) {
  const UpstreamSnapshot* const now = newest.find_upstream(upstream.snapshot->config->name);
  // What the file itself takes away leaves by the operator's word: the tunnels to it stay until they end.
  const bool by_the_file = now == nullptr || !names_same_servers(*now->config, *upstream.snapshot->config);
  std::optional<std::unordered_set<std::string>> remain;  // by address; few servers have tunnels
  for (std::uint32_t server = 0; server < upstream.servers.size(); ++server) {
    WorkerServer& compared = upstream.servers[server];
    if (compared.tunnels.empty() && compared.drain == nullptr) continue;
    if (!remain) {
      remain.emplace();
      for (std::size_t index = 0; now != nullptr && index < now->addresses.size(); ++index)
        remain->insert(now->addresses[index].text());
    }
    const bool gone = !remain->contains(upstream.snapshot->addresses[server].text());
    compared.left = gone && (compared.left || !by_the_file);
    pace_tunnels(upstream, server);
  }
}

void WorkerSnapshot::close_tunnels(std::chrono::milliseconds time) {
  ends_within_ = time;
  for (WorkerUpstream& upstream : upstreams_) {
    for (std::uint32_t server = 0; server < upstream.servers.size(); ++server)
      pace_tunnels(upstream, server);
  }
}

/// Begins to close the tunnels to a server that is to serve no longer, or lets them be if it is again.
void WorkerSnapshot::pace_tunnels(WorkerUpstream& upstream, std::uint32_t server) {
  WorkerServer& paced = upstream.servers[server];
  const bool serves = !paced.left && upstream.snapshot->state->server(server).word().enabled();
  if (paced.drain == nullptr) {
    if (paced.tunnels.empty() || (serves && !ends_within_)) return;
    paced.drain = std::make_unique<TunnelDrain>(loop_, paced.tunnels);
  }
  if (serves && !ends_within_) return paced.drain->stop();
  if (!serves && !paced.drain->running())
    paced.drain->begin(std::chrono::milliseconds(0), upstream.snapshot->config->timeout.drain);
  // What runs may finish by itself for a while, as nobody waits for this azulb to be empty.
  if (ends_within_) paced.drain->begin(*ends_within_ / 2, *ends_within_ / 2);
}

void WorkerSnapshot::supersede() {
  for (WorkerUpstream& upstream : upstreams_) {
    for (WorkerServer& server : upstream.servers) {
      if (server.pool.use_count() == 1) server.pool->keep_idle(false);  // nobody else has it
    }
  }
  for (WorkerUpstream& upstream : upstreams_)
    route_waiting_anew(upstream);
  superseded_ = true;
  if (uses_ == 0) loop_.retire(*this);
}

void WorkerSnapshot::route_waiting_anew(WorkerUpstream& upstream) {
  for (Exchange* const exchange : upstream.waiting->all()) {
    if (exchange->may_be_routed_anew()) exchange->route_anew();
  }
}

void WorkerSnapshot::close_idle_connections() {
  for (WorkerUpstream& upstream : upstreams_) {
    for (WorkerServer& server : upstream.servers)
      server.pool->close_idle();
  }
}

void WorkerSnapshot::close_pools() {
  for (WorkerUpstream& upstream : upstreams_) {
    for (WorkerServer& server : upstream.servers)
      server.pool->close_all();
  }
}

}  // namespace azulb::proxy
