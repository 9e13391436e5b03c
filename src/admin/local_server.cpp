#include "azulb/admin/local_server.hpp"

#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/log.hpp"
#include "local_connection.hpp"

namespace azulb::admin {
namespace {

using namespace std::chrono_literals;

constexpr base::Milliseconds linger_timeout = 2s;
constexpr base::Milliseconds accept_pause = 100ms;
// A connection younger or busier than this is not closed to make room: its request may be on the way.
constexpr std::int64_t least_idle_ms = 1000;

}  // namespace

LocalServer::LocalServer(net::Loop& loop, LocalHandler& handler, LocalServerSettings settings)
    : loop_(loop),
      handler_(handler),
      settings_(std::move(settings)),
      scratch_(http1::HeadLimits{}.fields),
      codec_settings_{.limits = {},
                      .header_timeout = &loop.timers().list(settings_.header_timeout),
                      .keepalive_timeout = &loop.timers().list(settings_.idle_timeout),
                      .linger_timeout = &loop.timers().list(linger_timeout),
                      .half_close_grace = &loop.timers().list(settings_.half_close_grace),
                      .habit = &client_habit_},
      body_timeout_(loop.timers().list(settings_.body_timeout)),
      idle_timeout_(loop.timers().list(settings_.idle_timeout)),
      write_timeout_(loop.timers().list(settings_.write_timeout)) {}

LocalServer::~LocalServer() {
  AZULB_ASSERT(connection_count_ == 0 && retired_count_ == 0);
}

void LocalServer::listen(const net::BoundSocket& socket) {
  sockets_.push_back(std::make_unique<net::ListeningSocket>(loop_, socket, *this));
  sockets_.back()->resume();
}

void LocalServer::drain() {
  draining_ = true;
  accept_timer_.stop();
  for (const auto& socket : sockets_)
    socket->pause();
  connections_.for_each([](LocalConnection& connection) { connection.drain(); });
}

void LocalServer::stop() {
  drain();
  connections_.for_each([](LocalConnection& connection) { connection.break_off(); });
}

void LocalServer::on_accepted(const base::SocketAddress&, int descriptor, const base::SocketAddress& peer) {
  // A connection may stay open for long without a byte (events, upgrades): the kernel finds out when its peer
  // is dead.
  const int on = 1;
  if (!peer.is_unix()) setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (connection_count_ + 1 >= settings_.connections_limit && !close_an_idle_connection()) pause_accepting();
  auto connection = std::make_unique<LocalConnection>(*this);
  connection->adopt(descriptor);
  connections_.push_back(*connection.release());
  ++connection_count_;
}

void LocalServer::on_accept_failure(int system_error) {
  if (failure_warning_.due(loop_.now_ms())) {
    base::log_warn("azulb's own pages wait for a descriptor: {}", std::strerror(system_error));
  }
  close_an_idle_connection();
  pause_accepting();
}

bool LocalServer::close_an_idle_connection() {
  const std::int64_t before_ms = loop_.now_ms() - least_idle_ms;
  const std::size_t count = connection_count_;
  bool chosen = false;
  connections_.for_each([&](LocalConnection& connection) {
    if (chosen || !connection.idle_since(before_ms)) return;
    chosen = true;
    connection.drain();
  });
  return connection_count_ < count;
}

void LocalServer::pause_accepting() {
  for (const auto& socket : sockets_)
    socket->pause();
  loop_.timers().list(accept_pause).start(accept_timer_);
}

void LocalServer::retry_accepting() {
  if (draining_) return;
  if (connection_count_ >= settings_.connections_limit && !close_an_idle_connection()) {
    loop_.timers().list(accept_pause).start(accept_timer_);
    return;
  }
  for (const auto& socket : sockets_)
    socket->resume();
}

void LocalServer::connection_closed(LocalConnection& connection) {
  connection.unlink();
  --connection_count_;
  ++retired_count_;
  loop_.retire(connection);
}

void LocalServer::reclaim(LocalConnection& connection) {
  const std::unique_ptr<LocalConnection> owned(&connection);
  --retired_count_;
}

std::size_t LocalServer::queued_bytes() {
  std::size_t sum = 0;
  connections_.for_each([&](LocalConnection& connection) { sum += connection.queued_bytes(); });
  return sum;
}

}  // namespace azulb::admin
