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

// A server that is asked for a sign of life and has said nothing for so long is given up for new requests:
// who waits for it goes to a new connection, well within the time that a request waits for one.
constexpr std::chrono::milliseconds sign_of_life_limit{250};

}  // namespace

int ServerPool::connect(ConnectHandler& handler, PrivateConnections* owner) {
  ServerConnection* connection = find_awaited(owner);
  if (connection == nullptr) connection = ask_for_sign_of_life(owner);
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

ServerConnection* ServerPool::find_awaited(PrivateConnections* owner) {
  if (!shared_) return nullptr;
  return connections_.find([&](const ServerConnection& connection) {
    const bool to_come = connection.standing_ ? connection.awaited_ : !connection.given_up_;
    return to_come && connection.owner_ == owner && has_room(connection);
  });
}

ServerConnection* ServerPool::ask_for_sign_of_life(PrivateConnections* owner) {
  if (!shared_) return nullptr;
  // That takes one way there and back; a new connection takes more.
  ServerConnection* const silent = find_available(Trust::kept, owner);
  if (silent == nullptr || !silent->codec().check()) return nullptr;
  end_idle(*silent);
  silent->checking_ = true;
  silent->awaited_ = true;
  context_.loop.timers().list(sign_of_life_limit).start(silent->timer_);
  set_available(*silent, false);
  return silent;
}

bool ServerPool::has_room(const ServerConnection& connection) const {
  const std::uint32_t capacity = connection.standing_ ? connection.capacity_ : expected_capacity_;
  const bool requests_left =
      settings_.requests == 0 || connection.requests_ + connection.waiters_ < settings_.requests;
  return !connection.retiring_ && connection.claims() < capacity && requests_left;
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
  serve_waiters(connection);
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
  while (connection.waiters_ > 0) {
    ServerConnection* to = find_awaited(connection.owner_);
    if (to == nullptr) {
      const auto begun = begin_connection(connection.owner_);
      if (!begun) return fail_waiters(connection, {.system_error = begun.error()});
      to = *begun;
    }
    do {
      --connection.waiters_;
      wait_for(*to, connection.waiting_.pop_front());
    } while (connection.waiters_ > 0 && has_room(*to));
  }
}

void ServerPool::fail_waiters(ServerConnection& connection, ConnectFailure failure) {
  while (connection.waiters_ > 0) {
    ConnectHandler& handler = connection.waiting_.pop_front();
    handler.awaited_ = nullptr;
    --connection.waiters_;
    failure.known = std::exchange(connection.given_up_, true);
    handler.on_connect_failure(failure);
  }
}

void ServerPool::connect_failed(ServerConnection& connection, int system_error) {
  ConnectFailure failure{.system_error = system_error};
  if (const tls::Session* const session = connection.connection_.tls(); session != nullptr) {
    failure.tls = session->failure();
  }
  failure.protocol = connection.codec().failure();
  connection.standing_ = true;  // as far as it goes: nobody joins any more
  fail_waiters(connection, failure);
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
  if (connection.checking_) return set_available(connection, false);
  stop_awaiting(connection);
  connection.given_up_ = false;
  serve_waiters(connection);
}

void ServerPool::sign_of_life_missed(ServerConnection& connection) {
  connection.awaited_ = false;
  move_waiters(connection);
  if (connection.base::ListNode<>::linked()) settle(connection);
}

}  // namespace azulb::upstream
