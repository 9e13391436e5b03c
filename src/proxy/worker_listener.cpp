#include "azulb/proxy/worker_listener.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "azulb/base/log.hpp"
#include "azulb/net/system_call.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

WorkerListener::WorkerListener(Worker& owner, WorkerSnapshot& snapshot, const ListenerRules& rules)
    : worker(owner),
      name_(rules.config.name),
      snapshot_(&snapshot),
      rules_(&rules),
      codecs_(owner.codecs_, owner.loop(), rules.config, owner.random_, rules.metrics.floods) {}

void WorkerListener::update(WorkerSnapshot& snapshot, const ListenerRules& rules) {
  snapshot_ = &snapshot;
  rules_ = &rules;
  codecs_.update(rules.config, rules.metrics.floods);
}

void WorkerListener::add_socket(WorkerSocket socket) {
  socket.socket->set_handler(*this);
  sockets_.push_back(std::move(socket));
}

std::vector<WorkerSocket> WorkerListener::take_sockets() {
  return std::exchange(sockets_, {});
}

void WorkerListener::resume() {
  for (const WorkerSocket& each : sockets_)
    each.socket->resume();
}

void WorkerListener::pause() {
  for (const WorkerSocket& each : sockets_)
    each.socket->pause();
}

void WorkerListener::leave() {
  leaving_ = true;
  kept_.emplace(*snapshot_);
  if (connections_ == 0) worker.loop().retire(*this);
}

void WorkerListener::connection_destroyed() {
  if (--connections_ == 0 && leaving_) worker.loop().retire(*this);
}

void WorkerListener::reclaim() {
  worker.listener_unused(*this);
}

bool WorkerListener::may_accept() {
  const std::uint64_t limit = worker.config().process.max_connections;
  if (worker.shared().connections.load(std::memory_order_relaxed) < limit) return true;
  worker.pause_accepting();
  return false;
}

void WorkerListener::on_accepted(const base::SocketAddress& local, int descriptor,
                                 const base::SocketAddress& peer) {
  const std::uint16_t port = local.port();
  if (!rules_->config.proxy_protocol) return worker.accept(*this, descriptor, peer, port);
  if (trusts(peer)) return worker.accept_proxied(*this, descriptor, peer, port);
  rules_->metrics.connections_accepted.add();
  net::close_socket(descriptor);
  refused(peer, "it is not from trusted_proxies");
}

bool WorkerListener::trusts(const base::SocketAddress& peer) const {
  if (peer.is_unix()) return true;  // the socket's mode says who may connect
  const base::IpAddress ip = peer.ip();
  return std::any_of(rules_->config.trusted_proxies.begin(), rules_->config.trusted_proxies.end(),
                     [&ip](const base::Network& network) { return network.contains(ip); });
}

void WorkerListener::refused(const base::SocketAddress& peer, std::string_view fault) {
  rules_->metrics.proxy_headers_refused.add();
  if (refusal_warning_.due(worker.loop().now_ms())) {
    base::log_warn(
        "listener {}: connection from {} refused: {} (others may follow untold: see "
        "azulb_proxy_headers_refused_total)",
        rules_->config.name, peer.is_unix() ? "a unix socket" : peer.text(), fault);
  }
}

void WorkerListener::on_accept_failure(int system_error) {
  if (failure_warning_.due(worker.loop().now_ms())) {
    base::log_warn(
        "listener {}: cannot accept: {} (raise the limit on open files, or lower process.max_connections)",
        rules_->config.name, std::strerror(system_error));
  }
  worker.pause_accepting();
}

}  // namespace azulb::proxy
