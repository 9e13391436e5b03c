// A snapshot as one worker sees it: its listeners' rules, pools and selectors, and what is counted. An
// exchange goes by the one that it began with.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "azulb/balance/selector.hpp"
#include "azulb/base/at_most_every.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/random.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/attempt.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/snapshot.hpp"
#include "azulb/proxy/tunnel_drain.hpp"
#include "azulb/proxy/waiting_room.hpp"
#include "azulb/proxy/wakeups.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::proxy {

class Exchange;

/// How often a server that TLS fails with is named in the log.
inline constexpr std::int64_t tls_warning_interval_ms = 10'000;

/// One server as one worker sees it.
struct WorkerServer {
  std::shared_ptr<upstream::ServerPool> pool;  // the next snapshot's, too, where its settings are the same
  ServerMetrics* metrics = nullptr;
  /// Attempts that wait for a response head: ended early when the server goes down.
  AttemptList awaiting;
  AttemptList tunnels;                 // that have not been asked to close
  std::unique_ptr<TunnelDrain> drain;  // of `tunnels`; null: never wanted yet
  bool left = false;                   // discovery, or by command: the newest snapshot has no such server
  base::AtMostEvery tls_warning{tls_warning_interval_ms};
};

/// One upstream as one worker sees it.
struct WorkerUpstream {
  UpstreamSnapshot* snapshot = nullptr;
  std::shared_ptr<balance::Selector> selector;  // the next snapshot's, too, where its state is the same
  std::vector<WorkerServer> servers;
  std::unique_ptr<WaitingRoom> waiting;
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

class WorkerSnapshot;

/// Is told of snapshots that nothing uses any more.
class WorkerSnapshotOwner {
 public:
  virtual ~WorkerSnapshotOwner() = default;
  /// It may be destroyed; out of all callbacks.
  virtual void snapshot_unused(WorkerSnapshot& snapshot) = 0;
};

/// Belongs to its worker's thread. The newest one lives until it is superseded, and any for as long as there
/// is a SnapshotUse of it.
class WorkerSnapshot final : private net::Retired {
 public:
  /// What is passed by reference outlives this. `earlier`: the one that this replaces, whose pools it takes
  /// over; null: none.
  WorkerSnapshot(WorkerSnapshotOwner& owner, net::Loop& loop, upstream::PoolContext& pool_context,
                 base::Random& random, Wakeups& wakeups, std::shared_ptr<Snapshot> snapshot,
                 std::shared_ptr<WorkerMetrics> metrics, WorkerSnapshot* earlier);
  WorkerSnapshot(const WorkerSnapshot&) = delete;
  WorkerSnapshot& operator=(const WorkerSnapshot&) = delete;

  const config::Config& config() const { return snapshot_->config(); }
  const Router& router() const { return snapshot_->router(); }
  const Snapshot& snapshot() const { return *snapshot_; }
  WorkerMetrics& metrics() { return *metrics_; }
  /// In the order of the configuration.
  const ListenerRules& listener(std::size_t index) const { return listeners_[index]; }
  WorkerUpstream& upstream(std::size_t index) { return upstreams_[index]; }
  /// Null: the route has no timeout.
  net::TimerList* route_timeout(std::size_t route) const { return route_timeouts_[route]; }

  /// A server's health, ejection or administrative state has changed: waiting exchanges try again, attempts
  /// that wait for an answer of a server that went down are ended, and one that is not enabled keeps no idle
  /// connections. Nothing happens if it is no server of this snapshot.
  void server_changed(const balance::ServerState& server);
  /// To this server of the upstream there is another tunnel. `newest`: what requests go by now.
  void tunnel_begun(std::uint32_t upstream, std::uint32_t server, const Snapshot& newest);
  /// This one is superseded, and `newest` is what requests go by now: tunnels to servers that it does not
  /// have are closed at a pace, unless such a server comes back.
  void compare_servers(const Snapshot& newest);
  /// azulb is to end: all tunnels are closed, at a pace, over the second half of `time`.
  void close_tunnels(std::chrono::milliseconds time);
  /// A newer one has taken over what it could: idle connections that it did not are closed, and exchanges
  /// that wait and have not been tried at any server are routed by the newer one.
  void supersede();
  /// Closes the pools' idle connections, and those in use once they are not.
  void close_idle_connections();
  /// Closes what the pools hold.
  void close_pools();
  /// Gives up the snapshot, at the end.
  std::shared_ptr<Snapshot> take_snapshot() { return std::move(snapshot_); }

 private:
  friend class SnapshotUse;
  void build_listeners();
  void build_upstream(WorkerUpstream& upstream, std::size_t index, upstream::PoolContext& pool_context,
                      base::Random& random, Wakeups& wakeups, WorkerSnapshot* earlier);
  static void route_waiting_anew(WorkerUpstream& upstream);
  void compare_servers(WorkerUpstream& upstream, const Snapshot& newest);
  void pace_tunnels(WorkerUpstream& upstream, std::uint32_t server);
  void end_use() {
    if (--uses_ == 0 && superseded_) loop_.retire(*this);
  }
  void reclaim() override { owner_.snapshot_unused(*this); }

  WorkerSnapshotOwner& owner_;
  net::Loop& loop_;
  std::shared_ptr<Snapshot> snapshot_;
  const std::shared_ptr<WorkerMetrics> metrics_;
  std::vector<ListenerRules> listeners_;
  std::vector<WorkerUpstream> upstreams_;  // never grows: its lists can't move
  std::vector<net::TimerList*> route_timeouts_;
  std::uint64_t uses_ = 0;
  std::optional<std::chrono::milliseconds> ends_within_;
  bool superseded_ = false;
};

/// Keeps a WorkerSnapshot. A plain count, as all of it is one thread's.
class SnapshotUse {
 public:
  explicit SnapshotUse(WorkerSnapshot& snapshot) : snapshot_(&snapshot) { ++snapshot.uses_; }
  SnapshotUse(SnapshotUse&& other) noexcept : snapshot_(std::exchange(other.snapshot_, nullptr)) {}
  SnapshotUse& operator=(SnapshotUse&& other) noexcept {
    std::swap(snapshot_, other.snapshot_);
    return *this;
  }
  ~SnapshotUse() {
    if (snapshot_ != nullptr) snapshot_->end_use();
  }

  WorkerSnapshot& operator*() const { return *snapshot_; }
  WorkerSnapshot* operator->() const { return snapshot_; }

 private:
  WorkerSnapshot* snapshot_;
};

}  // namespace azulb::proxy
