#include "azulb/proxy/worker.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/buffer.hpp"

namespace azulb::proxy {
namespace {

using namespace std::chrono_literals;

// How soon a worker that could accept no more looks again.
constexpr auto accept_retry_interval = 20ms;
// How soon a worker learns that process.max_memory is exceeded, by whichever worker.
constexpr auto memory_watch_interval = 100ms;

}  // namespace

Worker::Worker(net::Loop& loop, SharedState& shared, SnapshotReceiver on_unused)
    : loop_(loop),
      shared_(shared),
      on_unused_(std::move(on_unused)),
      random_(base::Random::from_system()),
      pool_context_{.loop = loop_, .codecs = codecs_.servers, .connections = server_connections_},
      wakeups_(loop_, shared.wake_descriptors) {}

Worker::~Worker() {
  AZULB_ASSERT(drained());
}

void Worker::apply(WorkerUpdate update) {
  WorkerSnapshot* const earlier = snapshots_.empty() ? nullptr : &newest();
  accepting_ = !draining_;
  access_log_ = std::move(update.access_log);
  codecs_.fit(update.snapshot->config());
  WorkerSnapshotOwner& owner = *this;
  snapshots_.push_back(std::make_unique<WorkerSnapshot>(owner, loop_, pool_context_, random_, wakeups_,
                                                        std::move(update.snapshot), std::move(update.metrics),
                                                        earlier));
  apply_listeners(update);
  if (earlier != nullptr) earlier->supersede();
  memory_watch_.stop();
  if (config().process.max_memory != 0) watch_memory();
  for (const auto& snapshot : snapshots_) {
    if (snapshot.get() != &newest()) snapshot->compare_servers(newest().snapshot());
  }
}

void Worker::apply_listeners(WorkerUpdate& update) {
  std::unordered_map<std::uint64_t, WorkerSocket> sockets;
  std::vector<std::unique_ptr<WorkerListener>> before = std::exchange(listeners_, {});
  for (const auto& listener : before) {
    for (WorkerSocket& socket : listener->take_sockets())
      sockets.emplace(socket.id, std::move(socket));
  }
  for (std::size_t index = 0; index < config().listeners.size(); ++index) {
    const ListenerRules& rules = newest().listener(index);
    const auto same = std::find_if(before.begin(), before.end(), [&rules](const auto& listener) {
      return listener != nullptr && listener->name() == rules.config.name;
    });
    if (same != before.end()) {
      (*same)->update(newest(), rules);
      listeners_.push_back(std::move(*same));
    } else {
      listeners_.push_back(std::make_unique<WorkerListener>(*this, newest(), rules));
    }
    for (const WorkerUpdate::Socket& wanted : update.sockets[index]) {
      auto known = sockets.extract(wanted.id);
      listeners_.back()->add_socket(
          known ? std::move(known.mapped())
                : WorkerSocket{wanted.id, std::make_unique<net::ListeningSocket>(
                                              loop_, wanted.descriptor, wanted.address, wanted.shared)});
    }
    if (accepting_) listeners_.back()->resume();
  }
  for (auto& [id, socket] : sockets) {
    if (!update.open_sockets.contains(id)) end_socket(socket);
  }
  for (auto& listener : before) {
    if (listener != nullptr) listener_leaves(std::move(listener));
  }
}

void Worker::end_socket(WorkerSocket& socket) {
  socket.socket->accept_pending();  // those in the backlog have been promised an answer
  socket.socket->end();
}

void Worker::listener_leaves(std::unique_ptr<WorkerListener> listener) {
  WorkerListener& leaving = *leaving_listeners_.emplace_back(std::move(listener));
  leaving.leave();
  client_connections_.for_each([&leaving](ClientConnection& connection) {
    if (&connection.listener() == &leaving) connection.wind_down();
  });
  pending_connections_.for_each([&leaving](PendingConnection& connection) {
    if (&connection.listener() == &leaving) connection.drain();
  });
}

void Worker::listener_unused(WorkerListener& listener) {
  for (auto* const list : {&leaving_listeners_, &listeners_})
    std::erase_if(*list, [&listener](const auto& each) { return each.get() == &listener; });
}

void Worker::snapshot_unused(WorkerSnapshot& snapshot) {
  std::shared_ptr<Snapshot> unused = snapshot.take_snapshot();
  std::erase_if(snapshots_, [&snapshot](const auto& each) { return each.get() == &snapshot; });
  if (on_unused_) on_unused_(std::move(unused));
}

void Worker::pause_accepting() {
  for (const auto& listener : listeners_)
    listener->pause();
  loop_.timers().list(accept_retry_interval).start(accept_retry_);
}

void Worker::resume_accepting() {
  if (!accepting_) return;
  for (const auto& listener : listeners_)
    listener->resume();
}

void Worker::accept(WorkerListener& listener, int descriptor, const base::SocketAddress& peer,
                    std::uint16_t local_port) {
  connection_begun(listener);
  serve(listener, descriptor, peer, local_port, nullptr);
}

void Worker::accept_proxied(WorkerListener& listener, int descriptor, const base::SocketAddress& peer,
                            std::uint16_t local_port) {
  connection_begun(listener);
  PendingConnection& connection = pending_slab_.create(listener, descriptor, peer, local_port);
  pending_connections_.push_back(connection);
  connection.start();
}

ClientConnection& Worker::serve(WorkerListener& listener, int descriptor, const base::SocketAddress& peer,
                                std::uint16_t local_port, const base::IpAddress* local_ip) {
  ClientConnection& connection = client_connections_slab_.create(listener, peer, local_port);
  client_connections_.push_back(connection);
  if (local_ip != nullptr) connection.set_local_ip(*local_ip);
  const std::uint64_t limit = listener.rules().config.limit.connections_per_client;
  if (limit != 0 && !connection.is_unix()) {
    connection.set_counted();
    if (!shared_.clients.begin(connection.peer_ip(), limit)) {
      listener.rules().metrics.connections_refused.add();
      connection.refuse_requests();
    }
  }
  connection.start(descriptor);
  return connection;
}

void Worker::connection_closed(ClientConnection& connection) {
  if (connection.counted()) shared_.clients.end(connection.peer_ip());
  connection.unlink();
  loop_.retire(connection);
  connection_ended(connection.listener());
}

void Worker::connection_begun(WorkerListener& listener) {
  shared_.connections.fetch_add(1, std::memory_order_relaxed);
  ListenerMetrics& metrics = listener.rules().metrics;
  metrics.connections_accepted.add();
  metrics.connections_active.add();
}

void Worker::connection_ended(WorkerListener& listener) {
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  listener.rules().metrics.connections_active.subtract();
  if (draining_ && drained() && on_drained_) std::exchange(on_drained_, nullptr)();
}

void Worker::leave(const std::unordered_set<std::uint64_t>& open_sockets, std::function<void()> on_drained) {
  accepting_ = false;
  draining_ = true;
  accept_retry_.stop();
  for (auto& listener : std::exchange(listeners_, {})) {
    for (WorkerSocket& socket : listener->take_sockets()) {
      if (!open_sockets.contains(socket.id)) end_socket(socket);
    }
    listener_leaves(std::move(listener));
  }
  if (drained()) {
    on_drained();
  } else {
    on_drained_ = std::move(on_drained);
  }
}

void Worker::drain(std::function<void()> on_drained) {
  if (!draining_) leave({}, std::move(on_drained));
  client_connections_.for_each([](ClientConnection& connection) { connection.drain(); });
  for (const auto& snapshot : snapshots_)
    snapshot->close_tunnels(config().process.drain_timeout);
}

void Worker::abort_all() {
  on_drained_ = nullptr;
  accepting_ = false;
  accept_retry_.stop();
  for (const auto& listener : listeners_)
    listener->take_sockets();
  client_connections_.for_each([](ClientConnection& connection) { connection.abort(); });
  pending_connections_.for_each([](PendingConnection& connection) { connection.abort(); });
  for (const auto& snapshot : snapshots_)
    snapshot->close_pools();
}

void Worker::server_changed(const balance::ServerState& server) {
  for (std::size_t index = snapshots_.size(); index-- > 0;)
    snapshots_[index]->server_changed(server);
}

// What is idle makes room before the next request is refused: an HTTP/2 connection holds its session's memory
// whether anything is under way on it or not. Every worker does so by itself, as it may be another that is
// busy.
void Worker::watch_memory() {
  loop_.timers().list(memory_watch_interval).start(memory_watch_);
  if (!overloaded()) return;
  client_connections_.for_each([](ClientConnection& connection) { connection.close_if_idle(); });
  for (const auto& snapshot : snapshots_)
    snapshot->close_idle_connections();
}

bool Worker::overloaded() const {
  const std::uint64_t limit = config().process.max_memory;
  return limit != 0 && base::buffered_bytes() > limit;
}

}  // namespace azulb::proxy
