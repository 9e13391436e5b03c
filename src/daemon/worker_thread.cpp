#include "azulb/daemon/worker_thread.hpp"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include <string>
#include <utility>

#include "azulb/base/log.hpp"

namespace azulb::daemon {
namespace {

constexpr int log_lines_limit = 1000;

}  // namespace

WorkerThread::WorkerThread(net::Loop& main, std::shared_ptr<proxy::Snapshot> snapshot,
                           std::shared_ptr<proxy::WorkerMetrics> metrics, proxy::SharedState& shared,
                           proxy::AccessLog access_log, const Sockets& sockets,
                           std::span<const int> wake_descriptors)
    : main_(main),
      kept_descriptors_(wake_descriptors.begin(), wake_descriptors.end()),
      metrics_(std::move(metrics)),
      worker_(loop_, std::move(snapshot), metrics_, shared, std::move(access_log), sockets) {
  kept_descriptors_.push_back(main.mailbox_descriptor());
  for (const auto& of_listener : sockets) {
    for (const net::BoundSocket* socket : of_listener)
      kept_descriptors_.push_back(socket->descriptor());
  }
}

void WorkerThread::start() {
  loop_.post([this] { worker_.start_accepting(); });
  thread_ = std::thread([this] { run(); });
}

void WorkerThread::run() {
  pthread_setname_np(pthread_self(), "azulb-worker");
  forward_log_lines();
  // Signals are main's: libuv's handler writes to descriptors of main's table.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  loop_.own_descriptors(kept_descriptors_);
  if (loop_.has_own_descriptors()) descriptor_table_thread_.store(gettid(), std::memory_order_relaxed);
  loop_.run();
}

void WorkerThread::forward_log_lines() {
  // The process's log files are opened, and opened anew, by main. As everywhere, lines are dropped rather
  // than gathered without end.
  base::forward_log_lines([this](base::LogLevel level, std::string line) {
    if (log_lines_waiting_.load(std::memory_order_relaxed) >= log_lines_limit) return;
    log_lines_waiting_.fetch_add(1, std::memory_order_relaxed);
    main_.post([this, level, line = std::move(line)] {
      log_lines_waiting_.fetch_sub(1, std::memory_order_relaxed);
      base::write_log(level, line);
    });
  });
}

void WorkerThread::drain(std::function<void()> on_accepting_ended, std::function<void()> on_drained) {
  loop_.post([this, on_accepting_ended = std::move(on_accepting_ended), on_drained = std::move(on_drained)] {
    worker_.drain(on_drained);
    on_accepting_ended();
  });
}

void WorkerThread::stop() {
  if (!thread_.joinable()) return;
  loop_.post([this] {
    worker_.abort_all();
    loop_.stop();
  });
  thread_.join();
}

void WorkerThread::server_changed(std::uint32_t upstream, std::uint32_t server) {
  loop_.post([this, upstream, server] { worker_.server_changed(upstream, server); });
}

void WorkerThread::ask_for_sign() {
  // One question at a time: those to a worker that is stuck would pile up.
  if (sign_awaited_.exchange(true, std::memory_order_relaxed)) return;
  loop_.post([this] { sign_awaited_.store(false, std::memory_order_relaxed); });
}

}  // namespace azulb::daemon
