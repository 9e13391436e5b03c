// A worker's thread: its loop, and the worker that lives on it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <unordered_set>
#include <vector>

#include "azulb/net/descriptor_channel.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::daemon {

/// Made, started, asked and stopped by main; the worker inside belongs to its thread.
class WorkerThread {
 public:
  /// `main` carries the worker's lines for the process log, and destroys its snapshots. `wake_descriptors`:
  /// of other threads, written to by what the worker uses.
  WorkerThread(net::Loop& main, proxy::SharedState& shared, std::span<const int> wake_descriptors);
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;
  ~WorkerThread() { stop(); }

  void start();
  /// See proxy::Worker::apply. The sockets have main's descriptors; those that the worker lacks are handed to
  /// it.
  void apply(proxy::WorkerUpdate update);
  /// See proxy::Worker::leave. `on_drained` comes on the worker's thread.
  void leave(std::unordered_set<std::uint64_t> open_sockets, std::function<void()> on_drained);
  /// See proxy::Worker::drain. On the worker's thread: `on_accepting_ended` when its listening sockets are
  /// not used any more, `on_drained` when no client connection is left, unless it was told to leave before.
  void drain(std::function<void()> on_accepting_ended, std::function<void()> on_drained);
  /// Breaks off what is left, ends the thread and waits for it.
  void stop();
  void server_changed(std::shared_ptr<const balance::ServerState> server);

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
  void take_over_sockets(proxy::WorkerUpdate& update);

  net::Loop& main_;
  std::vector<int> kept_descriptors_;
  std::atomic<int> descriptor_table_thread_{0};
  std::atomic<bool> sign_awaited_{false};
  std::atomic<int> log_lines_waiting_{0};  // handed to main, not written yet
  net::DescriptorChannel channel_;
  std::unordered_set<std::uint64_t> sockets_;  // main's: those that the worker has
  net::Loop loop_;
  proxy::Worker worker_;
  std::thread thread_;
};

}  // namespace azulb::daemon
