// The worker threads: as many as the configuration asks for, and those that still end.
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "azulb/base/line_sink.hpp"
#include "azulb/daemon/listener_sockets.hpp"
#include "azulb/daemon/worker_thread.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/access_log.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/snapshot.hpp"

namespace azulb::daemon {

/// Main's.
class Workers {
 public:
  explicit Workers(net::Loop& main) : main_(main) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  /// Has all workers go by this snapshot, and starts or ends threads so that there are as many as it wants.
  /// One that ends gives its sockets to the others, and lives until its last connection has ended.
  /// `access_log` outlives this.
  void apply(const std::shared_ptr<proxy::Snapshot>& snapshot, const ListenerSockets& sockets,
             const proxy::AccessLogFormat& format, base::LineSink& access_log);
  /// Accepts no more, and lets connections end, each with its next answer; `open_sockets` are left to another
  /// process. `on_drained` comes on main.
  void leave(const std::unordered_set<std::uint64_t>& open_sockets, std::function<void()> on_drained);
  /// Accepts no more, and closes idle connections, too. `on_accepting_ended` and `on_drained` come on main.
  void drain(std::function<void()> on_accepting_ended, std::function<void()> on_drained);
  /// Breaks off what is left, and waits for the threads.
  void stop();
  void server_changed(const std::shared_ptr<balance::ServerState>& server);

  /// See WorkerThread::ask_for_sign.
  void ask_for_signs() const;
  bool gave_signs() const;
  std::size_t count() const { return active_.size(); }
  /// Names of what is counted, as of the latest snapshot.
  const proxy::MetricLabels& labels() const { return labels_; }
  /// In the order of the labels; of threads that have ended, too. Until the next `apply`.
  std::vector<const proxy::WorkerMetrics*> metrics() const;
  std::vector<int> descriptor_table_threads() const;

 private:
  /// What a thread is given for its life and the next one may have after it: its counters go on, and the ring
  /// of its log lines.
  struct Place {
    std::shared_ptr<proxy::WorkerMetrics> metrics;
    base::LineProducer* producer = nullptr;
    bool taken = false;
  };
  struct Entry {
    std::unique_ptr<WorkerThread> thread;
    std::size_t place;
  };

  void add_thread(base::LineSink& access_log);
  void renew_metrics(const proxy::MetricLabels& labels);
  std::function<void()> when_drained(const WorkerThread& thread);
  void thread_drained(const WorkerThread* thread);

  net::Loop& main_;
  proxy::SharedState shared_;
  proxy::MetricLabels labels_;
  std::vector<Place> places_;
  std::vector<Entry> active_;
  std::vector<Entry> ending_;
  std::size_t accepting_ = 0;         // while draining
  std::function<void()> on_drained_;  // while draining
};

}  // namespace azulb::daemon
