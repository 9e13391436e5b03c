// A worker's thread: its loop, and the worker that lives on it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "azulb/net/loop.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::daemon {

/// Made, started, asked and stopped by main; the worker inside belongs to its thread, but for its metrics.
class WorkerThread {
 public:
  using Sockets = std::vector<std::vector<const net::BoundSocket*>>;

  /// `main` carries the worker's lines for the process log. `wake_descriptors`: of other threads, written to
  /// by what the worker uses.
  WorkerThread(net::Loop& main, std::shared_ptr<proxy::Snapshot> snapshot,
               std::shared_ptr<proxy::WorkerMetrics> metrics, proxy::SharedState& shared,
               proxy::AccessLog access_log, const Sockets& sockets, std::span<const int> wake_descriptors);
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;
  ~WorkerThread() { stop(); }

  void start();
  /// Accepts no more and lets connections end. On the worker's thread: `on_accepting_ended` when the
  /// listening sockets are not used any more, `on_drained` when no client connection is left.
  void drain(std::function<void()> on_accepting_ended, std::function<void()> on_drained);
  /// Breaks off what is left, ends the thread and waits for it.
  void stop();
  void server_changed(std::uint32_t upstream, std::uint32_t server);

  const proxy::WorkerMetrics& metrics() const { return *metrics_; }

  /// Asks the worker to show that its loop turns; `gave_sign` says whether it has, and before any question
  /// yes. Main only.
  void ask_for_sign();
  bool gave_sign() const { return !sign_awaited_.load(std::memory_order_relaxed); }

  /// The kernel's number of the thread, once it has a descriptor table of its own; until then, and where it
  /// may not have one, 0. Any thread.
  int descriptor_table_thread() const { return descriptor_table_thread_.load(std::memory_order_relaxed); }

 private:
  void run();
  void forward_log_lines();

  net::Loop& main_;
  std::vector<int> kept_descriptors_;
  std::atomic<int> descriptor_table_thread_{0};
  std::atomic<bool> sign_awaited_{false};
  std::atomic<int> log_lines_waiting_{0};  // handed to main, not written yet
  std::shared_ptr<proxy::WorkerMetrics> metrics_;
  net::Loop loop_;
  proxy::Worker worker_;
  std::thread thread_;
};

}  // namespace azulb::daemon
