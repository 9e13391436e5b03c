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

WorkerThread::WorkerThread(net::Loop& main, proxy::SharedState& shared, std::span<const int> wake_descriptors)
    : main_(main),
      kept_descriptors_(wake_descriptors.begin(), wake_descriptors.end()),
      worker_(loop_, shared, [&main](std::shared_ptr<proxy::Snapshot> unused) {
        // A large configuration takes its time to destroy.
        main.post([unused = std::move(unused)]() mutable { unused.reset(); });
      }) {
  const std::span<const int> others = shared.wake_descriptors.all();
  kept_descriptors_.insert(kept_descriptors_.end(), others.begin(), others.end());
  kept_descriptors_.insert(kept_descriptors_.end(),
                           {main.mailbox_descriptor(), channel_.receiving_descriptor()});
}

void WorkerThread::start() {
  thread_ = std::thread([this] { run(); });
}

void WorkerThread::apply(proxy::WorkerUpdate update) {
  std::vector<int> descriptors;
  std::unordered_set<std::uint64_t> wanted;
  for (auto& of_listener : update.sockets) {
    for (proxy::WorkerUpdate::Socket& socket : of_listener) {
      wanted.insert(socket.id);
      if (sockets_.contains(socket.id)) {
        socket.descriptor = -1;
      } else {
        descriptors.push_back(socket.descriptor);
      }
    }
  }
  sockets_ = std::move(wanted);
  // Told first, as it takes what is sent while that is still being sent.
  loop_.post([this, update = std::move(update)]() mutable {
    take_over_sockets(update);
    worker_.apply(std::move(update));
  });
  for (const int descriptor : descriptors)
    channel_.send(descriptor);
}

void WorkerThread::take_over_sockets(proxy::WorkerUpdate& update) {
  for (auto& of_listener : update.sockets) {
    std::vector<proxy::WorkerUpdate::Socket> usable;
    for (proxy::WorkerUpdate::Socket& socket : of_listener) {
      if (socket.descriptor >= 0) {
        const auto received = channel_.receive();
        if (!received) {
          base::log_error("a worker cannot accept on {}: {}", socket.address.text(),
                          received.error().message);
          continue;
        }
        socket.descriptor = *received;
      }
      usable.push_back(socket);
    }
    of_listener = std::move(usable);
  }
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

void WorkerThread::leave(std::unordered_set<std::uint64_t> open_sockets, std::function<void()> on_drained) {
  loop_.post([this, open_sockets = std::move(open_sockets), on_drained = std::move(on_drained)] {
    worker_.leave(open_sockets, on_drained);
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

void WorkerThread::server_changed(std::shared_ptr<const balance::ServerState> server) {
  loop_.post([this, server = std::move(server)] { worker_.server_changed(*server); });
}

void WorkerThread::ask_for_sign() {
  // One question at a time: those to a worker that is stuck would pile up.
  if (sign_awaited_.exchange(true, std::memory_order_relaxed)) return;
  loop_.post([this] { sign_awaited_.store(false, std::memory_order_relaxed); });
}

}  // namespace azulb::daemon
