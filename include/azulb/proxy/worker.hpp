// What one worker thread owns: its listening sockets, client connections, exchanges, and connections to
// servers. All of it belongs to the thread that runs the loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/random.hpp"
#include "azulb/base/slab.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/access_log.hpp"
#include "azulb/proxy/client_codec_table.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/client_counts.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/http_date.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/pending_connection.hpp"
#include "azulb/proxy/snapshot.hpp"
#include "azulb/proxy/wakeups.hpp"
#include "azulb/proxy/worker_listener.hpp"
#include "azulb/proxy/worker_snapshot.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::proxy {

/// What all workers share, owned by main.
struct SharedState {
  std::atomic<std::uint64_t> connections{0};  // client connections of all workers
  ClientCounts clients;                       // per address, where a listener limits them
  WakeDescriptors wake_descriptors;           // of their requests that wait
};

/// What main gives a worker at its start, and with each reload.
struct WorkerUpdate {
  /// A socket that the worker is to accept on. One that it has already goes on, whichever listener had it.
  struct Socket {
    std::uint64_t id;
    base::SocketAddress address;
    bool shared;          // with the other workers
    int descriptor = -1;  // for the worker to take over; -1: it has it
  };

  std::shared_ptr<Snapshot> snapshot;
  std::shared_ptr<WorkerMetrics> metrics;  // in the order of the snapshot's labels
  AccessLog access_log;
  std::vector<std::vector<Socket>> sockets;        // per listener of the configuration
  std::unordered_set<std::uint64_t> open_sockets;  // of all workers: any other one is to be ended
};

class Worker final : private WorkerSnapshotOwner {
 public:
  /// Given each snapshot that nothing here uses any more, on the loop's thread.
  using SnapshotReceiver = std::function<void(std::shared_ptr<Snapshot>)>;

  /// Nothing happens until the first `apply`. What is passed by reference outlives the worker.
  Worker(net::Loop& loop, SharedState& shared, SnapshotReceiver on_unused);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// No client connection is left; the loop has stopped.
  ~Worker() override;

  /// From here on requests go by this snapshot; those that are under way keep to the one that they began
  /// with. Connections stay, on listeners that stay; those of other listeners end after the answer they are
  /// at. Sockets that move to other workers are let go with what waits in them; from those that are to end,
  /// everybody is accepted first.
  void apply(WorkerUpdate update);
  /// Accepts no more, and lets connections end, each with its next answer. Sockets that are in `open_sockets`
  /// are left to other workers, the others end. `on_drained` is called once, on the loop, when no client
  /// connection is left.
  void leave(const std::unordered_set<std::uint64_t>& open_sockets, std::function<void()> on_drained);
  /// As `leave`, if it has not been told to, and closes idle connections, and tunnels at a pace: azulb is to
  /// end.
  void drain(std::function<void()> on_drained);
  /// Closes every client connection at once.
  void abort_all();

  /// A server's health, ejection, administrative state or weight has changed; see WorkerSnapshot. Loop's
  /// thread.
  void server_changed(const balance::ServerState& server);
  /// Superseded snapshots that are still used.
  std::size_t earlier_snapshots() const { return snapshots_.size() - 1; }

  // For client connections, exchanges and attempts:
  net::Loop& loop() { return loop_; }
  const config::Config& config() const { return newest().config(); }
  const Snapshot& newest_snapshot() const { return newest().snapshot(); }
  AccessLog& access_log() { return access_log_; }
  base::Random& random() { return random_; }
  HttpDate& date() { return date_; }
  /// For what is written at once.
  HeaderScratch& header_scratch() { return header_scratch_; }
  SharedState& shared() { return shared_; }
  /// Buffers hold more than process.max_memory allows.
  bool overloaded() const;

  base::Slab<Exchange>& exchanges() { return exchanges_; }
  base::Slab<Exchange::Deadline>& deadlines() { return deadlines_; }
  void accept(WorkerListener& listener, int descriptor, const base::SocketAddress& peer,
              std::uint16_t local_port);
  /// As `accept`, once the connection's PROXY header has come.
  void accept_proxied(WorkerListener& listener, int descriptor, const base::SocketAddress& peer,
                      std::uint16_t local_port);
  /// Begins a client connection that is counted already. `local_ip`: as the PROXY header has it; null: the
  /// socket's own.
  ClientConnection& serve(WorkerListener& listener, int descriptor, const base::SocketAddress& peer,
                          std::uint16_t local_port, const base::IpAddress* local_ip);
  void connection_closed(ClientConnection& connection);
  /// A listener that left has no connections any more.
  void listener_unused(WorkerListener& listener);

 private:
  friend class WorkerListener;
  friend class PendingConnection;
  friend class ClientConnection;
  void connection_begun(WorkerListener& listener);
  void connection_ended(WorkerListener& listener);
  bool drained() const { return client_connections_.empty() && pending_connections_.empty(); }
  void pause_accepting();
  void resume_accepting();
  void watch_memory();
  WorkerSnapshot& newest() const { return *snapshots_.back(); }
  void snapshot_unused(WorkerSnapshot& snapshot) override;
  void apply_listeners(WorkerUpdate& update);
  WorkerListener& listener_for(const ListenerRules& rules);
  void listener_leaves(std::unique_ptr<WorkerListener> listener);
  static void end_socket(WorkerSocket& socket);

  net::Loop& loop_;
  SharedState& shared_;
  const SnapshotReceiver on_unused_;
  AccessLog access_log_;
  WorkerCodecs codecs_;
  base::Random random_;
  HeaderScratch header_scratch_;
  HttpDate date_;
  base::Slab<upstream::ServerConnection> server_connections_;
  upstream::PoolContext pool_context_;
  Wakeups wakeups_;
  std::vector<std::unique_ptr<WorkerSnapshot>> snapshots_;  // the newest last
  base::Slab<Exchange::Deadline> deadlines_;
  base::Slab<Exchange> exchanges_;
  base::Slab<ClientConnection> client_connections_slab_;
  base::IntrusiveList<ClientConnection, ClientConnection> client_connections_;
  base::Slab<PendingConnection> pending_slab_;
  base::IntrusiveList<PendingConnection, PendingConnection> pending_connections_;
  std::vector<std::unique_ptr<WorkerListener>> listeners_;  // of the newest snapshot
  std::vector<std::unique_ptr<WorkerListener>> leaving_listeners_;
  net::MemberTimer<Worker, &Worker::resume_accepting> accept_retry_{*this};
  net::MemberTimer<Worker, &Worker::watch_memory> memory_watch_{*this};  // with process.max_memory only
  std::function<void()> on_drained_;
  bool accepting_ = false;
  bool draining_ = false;
};

}  // namespace azulb::proxy
