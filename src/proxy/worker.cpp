#include "azulb/proxy/worker.hpp"

#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/buffer.hpp"

namespace azulb::proxy {
namespace {

using namespace std::chrono_literals;

// How soon a worker that could accept no more looks again.
constexpr auto accept_retry_interval = 20ms;

}  // namespace

Worker::Worker(net::Loop& loop, std::shared_ptr<Snapshot> snapshot, std::shared_ptr<WorkerMetrics> metrics,
               SharedState& shared, AccessLog access_log,
               const std::vector<std::vector<const net::BoundSocket*>>& sockets)
    : loop_(loop),
      shared_(shared),
      access_log_(std::move(access_log)),
      codecs_(snapshot->config()),
      random_(base::Random::from_system()),
      pool_context_{.loop = loop_, .codecs = codecs_.servers, .connections = server_connections_},
      snapshot_(std::make_unique<WorkerSnapshot>(loop_, pool_context_, random_, std::move(snapshot),
                                                 std::move(metrics))) {
  const std::size_t listeners = config().listeners.size();
  AZULB_ASSERT(sockets.size() == listeners);
  for (std::size_t index = 0; index < listeners; ++index) {
    listeners_.push_back(
        std::make_unique<WorkerListener>(*this, *snapshot_, snapshot_->listener(index), sockets[index]));
  }
}

Worker::~Worker() {
  AZULB_ASSERT(drained());
}

void Worker::start_accepting() {
  accepting_ = true;
  for (const auto& listener : listeners_)
    listener->resume();
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

void Worker::drain(std::function<void()> on_drained) {
  accepting_ = false;
  draining_ = true;
  accept_retry_.stop();
  for (const auto& listener : listeners_) {
    listener->accept_pending();  // those in the backlog have been promised an answer
    listener->end();
  }
  client_connections_.for_each([](ClientConnection& connection) { connection.drain(); });
  pending_connections_.for_each([](PendingConnection& connection) { connection.drain(); });
  if (drained()) {
    on_drained();
  } else {
    on_drained_ = std::move(on_drained);
  }
}

void Worker::abort_all() {
  on_drained_ = nullptr;
  accepting_ = false;
  accept_retry_.stop();
  for (const auto& listener : listeners_)
    listener->end();
  client_connections_.for_each([](ClientConnection& connection) { connection.abort(); });
  pending_connections_.for_each([](PendingConnection& connection) { connection.abort(); });
  snapshot_->close_pools();
}

void Worker::server_changed(std::uint32_t upstream, std::uint32_t server) {
  snapshot_->server_changed(upstream, server);
}

bool Worker::overloaded() const {
  const std::uint64_t limit = config().process.max_memory;
  return limit != 0 && base::buffered_bytes() > limit;
}

}  // namespace azulb::proxy
