#include "azulb/daemon/worker_thread.hpp"

#include <pthread.h>

#include <string>
#include <utility>

#include "azulb/base/log.hpp"

namespace azulb::daemon {

WorkerThread::WorkerThread(net::Loop& main, std::shared_ptr<proxy::Snapshot> snapshot,
                           proxy::SharedState& shared, proxy::AccessLog access_log, const Sockets& sockets)
    : main_(main),
      kept_descriptors_{main.mailbox_descriptor()},
      worker_(loop_, std::move(snapshot), shared, std::move(access_log), sockets) {
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
  // The process's log files are opened, and opened anew, by main.
  base::forward_log_lines([this](base::LogLevel level, std::string line) {
    main_.post([level, line = std::move(line)] { base::write_log(level, line); });
  });
  loop_.own_descriptors(kept_descriptors_);
  loop_.run();
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
