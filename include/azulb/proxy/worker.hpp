// What one worker thread owns: its listening sockets, client connections, exchanges, and connections to
// servers. All of it belongs to the thread that runs the loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
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
#include "azulb/proxy/worker_listener.hpp"
#include "azulb/proxy/worker_snapshot.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::proxy {

/// What all workers share, owned by main.
struct SharedState {
  std::atomic<std::uint64_t> connections{0};  // client connections of all workers
  ClientCounts clients;                       // per address, where a listener limits them
};

class Worker {
 public:
  /// `sockets`: per listener of the configuration, those this worker accepts on. Everything passed outlives
  /// the worker.
  Worker(net::Loop& loop, std::shared_ptr<Snapshot> snapshot, std::shared_ptr<WorkerMetrics> metrics,
         SharedState& shared, AccessLog access_log,
         const std::vector<std::vector<const net::BoundSocket*>>& sockets);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// No client connection is left; the loop has stopped.
  ~Worker();

  void start_accepting();
  /// Accepts no more, closes idle client connections, and lets the others end after their response.
  /// `on_drained` is called once, on the loop, when no client connection is left.
  void drain(std::function<void()> on_drained);
  /// Closes every client connection at once.
  void abort_all();

  /// A server's health, ejection, administrative state or weight has changed: waiting exchanges try again,
  /// attempts that wait for an answer of a server that went down are ended, and one that is not enabled keeps
  /// no idle connections. Loop's thread.
  void server_changed(std::uint32_t upstream, std::uint32_t server);

  // For client connections, exchanges and attempts:
  net::Loop& loop() { return loop_; }
  const config::Config& config() const { return snapshot_->config(); }
  AccessLog& access_log() { return access_log_; }
  base::Random& random() { return random_; }
  HttpDate& date() { return date_; }
  SharedState& shared() { return shared_; }
  bool draining() const { return draining_; }
  /// Buffers hold more than process.max_memory allows.
  bool overloaded() const;

  base::Slab<Exchange>& exchanges() { return exchanges_; }
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

 private:
  friend class WorkerListener;
  friend class PendingConnection;
  friend class ClientConnection;
  void connection_begun(WorkerListener& listener);
  void connection_ended(WorkerListener& listener);
  bool drained() const { return client_connections_.empty() && pending_connections_.empty(); }
  void pause_accepting();
  void resume_accepting();

  net::Loop& loop_;
  SharedState& shared_;
  AccessLog access_log_;
  WorkerCodecs codecs_;
  base::Random random_;
  HttpDate date_;
  base::Slab<upstream::ServerConnection> server_connections_;
  upstream::PoolContext pool_context_;
  std::unique_ptr<WorkerSnapshot> snapshot_;
  base::Slab<Exchange> exchanges_;
  base::Slab<ClientConnection> client_connections_slab_;
  base::IntrusiveList<ClientConnection, ClientConnection> client_connections_;
  base::Slab<PendingConnection> pending_slab_;
  base::IntrusiveList<PendingConnection, PendingConnection> pending_connections_;
  std::vector<std::unique_ptr<WorkerListener>> listeners_;
  net::MemberTimer<Worker, &Worker::resume_accepting> accept_retry_{*this};
  std::function<void()> on_drained_;
  bool accepting_ = false;
  bool draining_ = false;
};

}  // namespace azulb::proxy
