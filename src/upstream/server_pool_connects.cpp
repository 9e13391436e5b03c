// Connections that are waited for: made, shared while they are being made, asked for a sign of life.
#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::upstream {
namespace {

// A server that is asked for a sign of life and has said nothing for so long is given up for new requests: a
// new connection is made beside it, well within the time that a request waits for one.
constexpr std::int64_t sign_of_life_ms = 250;

}  // namespace

int ServerPool::connect(ConnectHandler& handler, PrivateConnections* owner) {
  ServerConnection* connection = shared_ ? find_joinable(owner) : nullptr;
  if (connection == nullptr) {
    const auto begun = begin_connection(owner);
    if (!begun) return begun.error();
    connection = *begun;
  }
  wait_for(*connection, handler);
  return 0;
}

tl::expected<ServerConnection*, int> ServerPool::begin_connection(PrivateConnections* owner) {
  std::unique_ptr<tls::Session> session;
  if (settings_.tls != nullptr) {
    session = settings_.tls->make_session(settings_.tls_name, resumption_);
    if (session == nullptr) return tl::unexpected<int>(ENOMEM);
  }
  ServerConnection& connection = context_.connections.create(*this);
  connection.connection_.set_write_timeout(settings_.write_timeout);
  std::array<char, net::written_proxy_header_bytes> header;
  const std::size_t header_bytes = session != nullptr ? write_proxy_header(owner, header.data()) : 0;
  if (const int system_error = connection.connection_.connect(settings_.address, std::move(session),
                                                              std::span(header).first(header_bytes));
      system_error != 0) {
    context_.connections.destroy(connection);
    return tl::unexpected<int>(system_error);
  }
  connections_.push_back(connection);
  connection.owner_ = owner;
  if (owner != nullptr) owner->connections_.push_front(connection);
  return &connection;
}

std::size_t ServerPool::write_proxy_header(const PrivateConnections* owner, char* out) const {
  if (settings_.proxy_protocol == 0) return 0;
  return net::write_proxy_header(settings_.proxy_protocol, owner != nullptr ? &owner->client_ : nullptr, out);
}

ServerConnection* ServerPool::find_joinable(PrivateConnections* owner) {
  ServerConnection* const to_come = connections_.find([&](const ServerConnection& connection) {
    if (connection.owner_ != owner || !has_room(connection)) return false;
    return !connection.standing_ || (connection.checking_ && !overdue(connection));
  });
  if (to_come != nullptr) return to_come;
  // Asking one that stands whether it still does takes one way there and back; a new one takes more.
  ServerConnection* const silent = find_available(Trust::kept, owner);
  if (silent == nullptr || !silent->codec().check()) return nullptr;
  silent->checking_ = true;
  silent->checking_since_ms_ = context_.loop.now_ms();
  set_available(*silent, false);
  return silent;
}

bool ServerPool::has_room(const ServerConnection& connection) const {
  const std::uint32_t capacity = connection.standing_ ? connection.capacity_ : expected_capacity_;
  const bool requests_left =
      settings_.requests == 0 || connection.requests_ + connection.waiters_ < settings_.requests;
  return !connection.retiring_ && connection.claims() < capacity && requests_left;
}

bool ServerPool::overdue(const ServerConnection& connection) const {
  return connection.checking_ && context_.loop.now_ms() - connection.checking_since_ms_ > sign_of_life_ms;
}

void ServerPool::wait_for(ServerConnection& connection, ConnectHandler& handler) {
  end_idle(connection);
  ++connection.waiters_;
  connection.waiting_.push_back(handler);
  handler.awaited_ = &connection;
}

void ServerPool::stopped_waiting(ServerConnection& connection) {
  --connection.waiters_;
  if (connection.standing_) {
    settle(connection);
  } else if (connection.claims() == 0) {
    dispose(connection);
  }
}

void ServerPool::connected(ServerConnection& connection) {
  connection.standing_ = true;
  connection.capacity_ = connection.codec().capacity();
  expected_capacity_ = std::min(connection.capacity_, first_expected_capacity);
  if (shared_) relieve_overdue(connection);
  serve_waiters(connection);
}

/// Who waits where no sign of life has come moves to `connection`, which has just come to stand.
void ServerPool::relieve_overdue(ServerConnection& connection) {
  connections_.for_each([&](ServerConnection& silent) {
    if (silent.owner_ != connection.owner_ || silent.waiters_ == 0 || !overdue(silent)) return;
    while (silent.waiters_ > 0 && has_room(connection)) {
      --silent.waiters_;
      wait_for(connection, silent.waiting_.pop_front());
    }
    settle(silent);
  });
}

void ServerPool::serve_waiters(ServerConnection& connection) {
  const auto may_serve = [&] {
    return connection.waiters_ > 0 && connection.leases_ < connection.capacity_ && !used_up(connection);
  };
  // Each call may lead anywhere, to this pool, too: what is waited for counts as taken until it is leased.
  while (may_serve()) {
    ConnectHandler& handler = connection.waiting_.pop_front();
    handler.awaited_ = nullptr;
    --connection.waiters_;
    handler.on_connected(lease(connection));
  }
  if (connection.waiters_ > 0) move_waiters(connection);
  if (connection.base::ListNode<>::linked()) settle(connection);  // else it has been disposed of
}

void ServerPool::move_waiters(ServerConnection& connection) {
  base::IntrusiveList<ConnectHandler, ConnectHandler> moving;
  moving.take_all(connection.waiting_);
  connection.waiters_ = 0;
  while (!moving.empty()) {
    const auto begun = begin_connection(connection.owner_);
    if (!begun) {
      while (!moving.empty()) {
        ConnectHandler& handler = moving.pop_front();
        handler.awaited_ = nullptr;
        handler.on_connect_failure({.system_error = begun.error()});
      }
      return;
    }
    do {
      wait_for(**begun, moving.pop_front());
    } while (!moving.empty() && has_room(**begun));
  }
}

void ServerPool::connect_failed(ServerConnection& connection, int system_error) {
  ConnectFailure failure{.system_error = system_error};
  if (const tls::Session* const session = connection.connection_.tls(); session != nullptr) {
    failure.tls = session->failure();
  }
  failure.protocol = connection.codec().failure();
  connection.standing_ = true;  // as far as it goes: nobody joins any more
  while (connection.waiters_ > 0) {
    ConnectHandler& handler = connection.waiting_.pop_front();
    handler.awaited_ = nullptr;
    --connection.waiters_;
    handler.on_connect_failure(failure);
  }
  if (connection.base::ListNode<>::linked()) dispose(connection);  // else one of them has led to that
}

void ServerPool::idle_ended(ServerConnection& connection) {
  // Leased but not yet used, it ends like any other: the stream opened on it will fail.
  if (connection.leases_ > 0) return;
  connection.capacity_ = 0;
  set_available(connection, false);
  if (connection.waiters_ > 0) move_waiters(connection);
  if (connection.base::ListNode<>::linked()) dispose(connection);
}

void ServerPool::capacity_changed(ServerConnection& connection) {
  connection.capacity_ = connection.codec().capacity();
  connection.checking_ = connection.codec().checking();
  if (connection.capacity_ > 0) expected_capacity_ = std::min(connection.capacity_, first_expected_capacity);
  if (!connection.checking_) return serve_waiters(connection);
  set_available(connection, false);
}

}  // namespace azulb::upstream
