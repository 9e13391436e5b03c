#include "azulb/daemon/worker_thread.hpp"

#include <pthread.h>

#include <utility>

namespace azulb::daemon {

WorkerThread::WorkerThread(std::shared_ptr<proxy::Snapshot> snapshot, proxy::SharedState& shared,
                           proxy::AccessLog access_log,
                           const std::vector<std::vector<const net::BoundSocket*>>& sockets)
    : worker_(loop_, std::move(snapshot), shared, std::move(access_log), sockets) {}

void WorkerThread::start() {
  loop_.post([this] { worker_.start_accepting(); });
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "azulb-worker");
    loop_.run();
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

}  // namespace azulb::daemon
