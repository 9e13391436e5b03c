#include "azulb/proxy/worker.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/buffer.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/net/system_call.hpp"

namespace azulb::proxy {
namespace {

using namespace std::chrono_literals;

// How soon a worker that could accept no more looks again.
constexpr auto accept_retry_interval = 20ms;

}  // namespace

std::string_view HttpDate::text() {
  const std::int64_t second = base::wall_clock_coarse_s();
  constexpr std::size_t length = 29;  // "Mon, 23 Nov 2026 09:52:03 GMT" (RFC 9110 section 5.6.7)
  if (second != second_) {
    second_ = second;
    constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    fmt::format_to_n(text_.data(), text_.size(), "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     days[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                     months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour,
                     parts.tm_min, parts.tm_sec);
  }
  return {text_.data(), length};
}

WorkerListener::WorkerListener(Worker& owner, const config::Listener& listener, std::uint32_t listener_index,
                               const std::vector<const net::BoundSocket*>& sockets)
    : worker(owner),
      config(listener),
      index(listener_index),
      codecs(owner.codecs_, owner.loop(), listener, owner.random_,
             owner.metrics_.listener(listener_index).floods),
      tls(owner.snapshot().listener_tls(listener_index)) {
  net::TimerQueue& timers = owner.loop().timers();
  body_timeout = &timers.list(config.timeout.body);
  send_timeout = &timers.list(config.timeout.send);
  handshake_timeout = &timers.list(config.timeout.tls_handshake);
  for (const net::BoundSocket* socket : sockets) {
    sockets_.push_back(std::make_unique<net::ListeningSocket>(owner.loop(), *socket, *this));
  }
}

void WorkerListener::resume() {
  for (const auto& socket : sockets_)
    socket->resume();
}

void WorkerListener::accept_pending() {
  for (const auto& socket : sockets_)
    socket->accept_pending();
}

void WorkerListener::end() {
  for (const auto& socket : sockets_)
    socket->end();
}

void WorkerListener::pause() {
  for (const auto& socket : sockets_)
    socket->pause();
}

bool WorkerListener::may_accept() {
  const std::uint64_t limit = worker.snapshot().config().process.max_connections;
  if (worker.shared().connections.load(std::memory_order_relaxed) < limit) return true;
  worker.pause_accepting();
  return false;
}

void WorkerListener::on_accepted(const net::BoundSocket& socket, int descriptor,
                                 const base::SocketAddress& peer) {
  const std::uint16_t port = socket.address().port();
  if (!config.proxy_protocol) return worker.accept(*this, descriptor, peer, port);
  if (trusts(peer)) return worker.accept_proxied(*this, descriptor, peer, port);
  worker.metrics().listener(index).connections_accepted.add();
  net::close_socket(descriptor);
  refused(peer, "it is not from trusted_proxies");
}

bool WorkerListener::trusts(const base::SocketAddress& peer) const {
  if (peer.is_unix()) return true;  // the socket's mode says who may connect
  const base::IpAddress ip = peer.ip();
  return std::any_of(config.trusted_proxies.begin(), config.trusted_proxies.end(),
                     [&ip](const base::Network& network) { return network.contains(ip); });
}

void WorkerListener::refused(const base::SocketAddress& peer, std::string_view fault) {
  worker.metrics().listener(index).proxy_headers_refused.add();
  if (refusal_warning_.due(worker.loop().now_ms())) {
    base::log_warn(
        "listener {}: connection from {} refused: {} (others may follow untold: see "
        "azulb_proxy_headers_refused_total)",
        config.name, peer.is_unix() ? "a unix socket" : peer.text(), fault);
  }
}

void WorkerListener::on_accept_failure(int system_error) {
  if (failure_warning_.due(worker.loop().now_ms())) {
    base::log_warn(
        "listener {}: cannot accept: {} (raise the limit on open files, or lower process.max_connections)",
        config.name, std::strerror(system_error));
  }
  worker.pause_accepting();
}

Worker::Worker(net::Loop& loop, std::shared_ptr<Snapshot> snapshot, SharedState& shared, AccessLog access_log,
               const std::vector<std::vector<const net::BoundSocket*>>& sockets)
    : loop_(loop),
      snapshot_(std::move(snapshot)),
      shared_(shared),
      access_log_(std::move(access_log)),
      metrics_(snapshot_->metric_labels().shape()),
      codecs_(snapshot_->config()),
      random_(base::Random::from_system()),
      pool_context_{.loop = loop_, .scratch = codecs_.http1, .connections = server_connections_},
      upstreams_(snapshot_->upstream_count()) {
  build_upstreams();
  const auto& listeners = snapshot_->config().listeners;
  AZULB_ASSERT(sockets.size() == listeners.size());
  for (std::size_t index = 0; index < listeners.size(); ++index) {
    listeners_.push_back(std::make_unique<WorkerListener>(*this, listeners[index],
                                                          static_cast<std::uint32_t>(index), sockets[index]));
  }
}

Worker::~Worker() {
  AZULB_ASSERT(drained());
}

void Worker::build_upstreams() {
  net::TimerQueue& timers = loop_.timers();
  for (std::size_t index = 0; index < snapshot_->upstream_count(); ++index) {
    UpstreamSnapshot& snapshot = snapshot_->upstream(index);
    const config::Upstream& config = *snapshot.config;
    WorkerUpstream& upstream = upstreams_[index];
    upstream.snapshot = &snapshot;
    upstream.selector = snapshot.state->make_selector(random_.next());
    upstream.connect_timeout = &timers.list(config.timeout.connect);
    upstream.response_timeout = &timers.list(config.timeout.response);
    upstream.idle_timeout = &timers.list(config.timeout.idle);
    upstream.tunnel_timeout = &timers.list(config.timeout.tunnel);
    upstream.queue_timeout = &timers.list(config.queue_timeout);
    upstream.servers = std::vector<WorkerServer>(snapshot.addresses.size());
    for (std::size_t server = 0; server < snapshot.addresses.size(); ++server) {
      const upstream::PoolSettings settings{.address = snapshot.addresses[server],
                                            .connections = config.keepalive.connections,
                                            .idle = config.keepalive.idle,
                                            .requests = config.keepalive.requests,
                                            .proxy_protocol = config.proxy_protocol,
                                            .write_timeout = upstream.idle_timeout,
                                            .tls = snapshot.tls.get(),
                                            .tls_name = snapshot.tls ? snapshot.tls_names[server] : "",
                                            .idle_gauge = &metrics_.server(index, server).connections_idle};
      upstream.servers[server].pool = std::make_unique<upstream::ServerPool>(pool_context_, settings);
    }
  }
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
  const std::uint64_t limit = listener.config.limit.connections_per_client;
  if (limit != 0 && !connection.is_unix()) {
    connection.set_counted();
    if (!shared_.clients.begin(connection.peer_ip(), limit)) {
      metrics_.listener(listener.index).connections_refused.add();
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
  ListenerMetrics& metrics = metrics_.listener(listener.index);
  metrics.connections_accepted.add();
  metrics.connections_active.add();
}

void Worker::connection_ended(WorkerListener& listener) {
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  metrics_.listener(listener.index).connections_active.subtract();
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
  for (WorkerUpstream& upstream : upstreams_) {
    for (WorkerServer& server : upstream.servers)
      server.pool->close_all();
  }
}

void Worker::server_changed(std::uint32_t index, std::uint32_t server) {
  WorkerUpstream& upstream = upstreams_[index];
  balance::UpstreamState& state = *upstream.snapshot->state;
  if (state.server(server).health() == balance::Health::down) {
    upstream.servers[server].awaiting.for_each(
        [](Attempt& attempt) { attempt.exchange().server_went_down(); });
    upstream.servers[server].pool->close_idle();
  }
  if (state.summary().eligible == 0) return;
  while (!upstream.waiting.empty() && upstream.waiting.front().try_again()) {
  }
}

bool Worker::overloaded() const {
  const std::uint64_t limit = snapshot_->config().process.max_memory;
  return limit != 0 && base::buffered_bytes() > limit;
}

}  // namespace azulb::proxy
