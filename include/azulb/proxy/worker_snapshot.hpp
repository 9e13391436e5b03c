// A snapshot as one worker sees it: its listeners' rules, pools and selectors, and what is counted. An
// exchange goes by the one that it began with.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "azulb/balance/selector.hpp"
#include "azulb/base/at_most_every.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/random.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/attempt.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/snapshot.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::proxy {

/// How often a server that TLS fails with is named in the log.
inline constexpr std::int64_t tls_warning_interval_ms = 10'000;

/// One server as one worker sees it.
struct WorkerServer {
  std::unique_ptr<upstream::ServerPool> pool;
  ServerMetrics* metrics = nullptr;
  /// Attempts that wait for a response head: ended early when the server goes down.
  base::IntrusiveList<Attempt, AttemptAwaiting> awaiting;
  base::AtMostEvery tls_warning{tls_warning_interval_ms};
};

/// One upstream as one worker sees it.
struct WorkerUpstream {
  UpstreamSnapshot* snapshot = nullptr;
  std::unique_ptr<balance::Selector> selector;
  std::vector<WorkerServer> servers;
  base::IntrusiveList<Exchange, ExchangeWaiting> waiting;  // first come, first served
  net::TimerList* connect_timeout = nullptr;
  net::TimerList* response_timeout = nullptr;
  net::TimerList* idle_timeout = nullptr;
  net::TimerList* tunnel_timeout = nullptr;
  net::TimerList* queue_timeout = nullptr;
};

/// What the connections and requests of a listener go by.
struct ListenerRules {
  const config::Listener& config;
  const std::uint32_t index;
  ListenerMetrics& metrics;
  net::TimerList& body_timeout;
  net::TimerList& send_timeout;
  net::TimerList& handshake_timeout;
  const tls::ServerContext* tls;  // null: plain text
};

/// Belongs to its worker's thread.
class WorkerSnapshot {
 public:
  /// What is passed by reference outlives this.
  WorkerSnapshot(net::Loop& loop, upstream::PoolContext& pool_context, base::Random& random,
                 std::shared_ptr<Snapshot> snapshot, std::shared_ptr<WorkerMetrics> metrics);
  WorkerSnapshot(const WorkerSnapshot&) = delete;
  WorkerSnapshot& operator=(const WorkerSnapshot&) = delete;

  const config::Config& config() const { return snapshot_->config(); }
  const Router& router() const { return snapshot_->router(); }
  const Snapshot& snapshot() const { return *snapshot_; }
  WorkerMetrics& metrics() { return *metrics_; }
  /// In the order of the configuration.
  const ListenerRules& listener(std::size_t index) const { return listeners_[index]; }
  WorkerUpstream& upstream(std::size_t index) { return upstreams_[index]; }

  /// A server's health or ejection has changed: waiting exchanges try again, and attempts that wait for an
  /// answer of a server that went down are ended.
  void server_changed(std::uint32_t upstream, std::uint32_t server);
  /// Closes what the pools hold.
  void close_pools();

 private:
  void build_listeners();
  void build_upstream(WorkerUpstream& upstream, std::size_t index, upstream::PoolContext& pool_context,
                      base::Random& random);

  net::Loop& loop_;
  const std::shared_ptr<Snapshot> snapshot_;
  const std::shared_ptr<WorkerMetrics> metrics_;
  std::vector<ListenerRules> listeners_;
  std::vector<WorkerUpstream> upstreams_;  // never grows: its lists can't move
};

}  // namespace azulb::proxy
