// What one worker thread owns: its listening sockets, client connections, exchanges, and connections to
// servers. All of it belongs to the thread that runs the loop.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "azulb/balance/selector.hpp"
#include "azulb/base/at_most_every.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/random.hpp"
#include "azulb/base/slab.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/access_log.hpp"
#include "azulb/proxy/attempt.hpp"
#include "azulb/proxy/client_codec_table.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/client_counts.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/pending_connection.hpp"
#include "azulb/proxy/snapshot.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::proxy {

/// What all workers share, owned by main.
struct SharedState {
  std::atomic<std::uint64_t> connections{0};  // client connections of all workers
  ClientCounts clients;                       // per address, where a listener limits them
};

/// How often a server that TLS fails with is named in the log.
inline constexpr std::int64_t tls_warning_interval_ms = 10'000;

/// One server as one worker sees it.
struct WorkerServer {
  std::unique_ptr<upstream::ServerPool> pool;
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

class Worker;

/// One listener as one worker sees it.
class WorkerListener final : public net::AcceptHandler {
 public:
  /// `sockets` outlive this.
  WorkerListener(Worker& worker, const config::Listener& config, std::uint32_t index,
                 const std::vector<const net::BoundSocket*>& sockets);

  void resume();
  void pause();
  void accept_pending();
  void end();
  /// A connection was refused for its PROXY header or the lack of it: counted, and told now and then.
  void refused(const base::SocketAddress& peer, std::string_view fault);

  Worker& worker;
  const config::Listener& config;
  const std::uint32_t index;
  ListenerCodecs codecs;
  net::TimerList* body_timeout;
  net::TimerList* send_timeout;
  net::TimerList* handshake_timeout;
  const tls::ServerContext* const tls;  // null: plain text

 private:
  bool may_accept() override;
  void on_accepted(const net::BoundSocket& socket, int descriptor, const base::SocketAddress& peer) override;
  void on_accept_failure(int system_error) override;
  bool trusts(const base::SocketAddress& peer) const;

  std::vector<std::unique_ptr<net::ListeningSocket>> sockets_;
  base::AtMostEvery failure_warning_{net::accept_failure_log_interval_ms};
  base::AtMostEvery refusal_warning_{net::accept_failure_log_interval_ms};
};

/// The wall clock as HTTP writes it, made anew once a second.
class HttpDate {
 public:
  std::string_view text();

 private:
  std::int64_t second_ = -1;
  std::array<char, 32> text_{};
};

class Worker {
 public:
  /// `sockets`: per listener of the configuration, those this worker accepts on. Everything passed outlives
  /// the worker.
  Worker(net::Loop& loop, std::shared_ptr<Snapshot> snapshot, SharedState& shared, AccessLog access_log,
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

  /// A server's health or ejection has changed: waiting exchanges try again, and attempts that wait for an
  /// answer of a server that went down are ended. Loop's thread.
  void server_changed(std::uint32_t upstream, std::uint32_t server);

  // For client connections, exchanges and attempts:
  net::Loop& loop() { return loop_; }
  Snapshot& snapshot() { return *snapshot_; }
  WorkerUpstream& upstream(std::size_t index) { return upstreams_[index]; }
  WorkerMetrics& metrics() { return metrics_; }
  const WorkerMetrics& metrics() const { return metrics_; }
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
  void build_upstreams();
  void connection_begun(WorkerListener& listener);
  void connection_ended(WorkerListener& listener);
  bool drained() const { return client_connections_.empty() && pending_connections_.empty(); }
  void pause_accepting();
  void resume_accepting();

  net::Loop& loop_;
  const std::shared_ptr<Snapshot> snapshot_;
  SharedState& shared_;
  AccessLog access_log_;
  WorkerMetrics metrics_;
  WorkerCodecs codecs_;
  base::Random random_;
  HttpDate date_;
  base::Slab<upstream::ServerConnection> server_connections_;
  upstream::PoolContext pool_context_;
  std::vector<WorkerUpstream> upstreams_;  // never grows: its lists can't move
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
