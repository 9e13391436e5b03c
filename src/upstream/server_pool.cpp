// Leasing streams and giving them back.
#include "azulb/upstream/server_pool.hpp"

#include <algorithm>
#include <utility>

#include "azulb/base/assert.hpp"

namespace azulb::upstream {
namespace {

// A connection used within this time is taken as it is; an older one is looked at first.
constexpr std::int64_t look_after_idle_ms = 1000;

// Of a server's own idle time, told by Keep-Alive: timeout=N, what is left for a request on its way.
constexpr std::int64_t hint_margin_ms = 1000;

}  // namespace

ServerConnection* ServerPool::find_available(Trust trust, PrivateConnections* owner) {
  if (owner != nullptr) {
    return owner->connections_.find([&](const ServerConnection& connection) {
      return &connection.pool_ == this && connection.available_ &&
             (trust == Trust::kept || connection.codec().heard_lately());
    });
  }
  if (trust == Trust::kept) return available_.empty() ? nullptr : &available_.front();
  return available_.find(
      [](const ServerConnection& connection) { return connection.codec().heard_lately(); });
}

Lease ServerPool::lease_kept(Trust trust, PrivateConnections* owner) {
  if (trust == Trust::proven && !shared_) return {};
  const std::int64_t now_ms = context_.loop.now_ms();
  while (ServerConnection* const connection = find_available(trust, owner)) {
    // What a server sends unasked must not become the answer to this request. Where connections are shared,
    // everything says whose it is.
    const bool to_look_at = !shared_ && (now_ms - connection->idle_since_ms_ > look_after_idle_ms ||
                                         connection->connection_.may_have_input());
    if (to_look_at && connection->connection_.has_pending_input()) {
      dispose(*connection);
      continue;
    }
    end_idle(*connection);
    return lease(*connection);
  }
  return {};
}

Lease ServerPool::lease(ServerConnection& connection) {
  ++connection.leases_;
  ++connection.requests_;
  if (connection.claims() >= connection.capacity_ || used_up(connection)) set_available(connection, false);
  return Lease(connection);
}

void ServerPool::give_back(ServerConnection& connection, http::StreamWriter* stream) {
  --connection.leases_;
  switch (connection.codec().close_stream(stream)) {
    case http::ServerCodec::Rest::usable:
      break;
    case http::ServerCodec::Rest::used_up:
      connection.capacity_ = 0;
      break;
    case http::ServerCodec::Rest::flushing:
      connection.flushing_ = true;
      connection.owner_ = nullptr;
      connection.base::ListNode<Available>::unlink();
      return;
  }
  settle(connection);
}

void ServerPool::settle(ServerConnection& connection) {
  const bool usable = !used_up(connection);
  if (connection.claims() == 0) {
    const bool room = connection.idle_ || (keeps_idle_ && idle_count_ < settings_.connections);
    if (!usable || !room) return dispose(connection);
    if (!connection.idle_) begin_idle(connection);
  }
  set_available(connection, usable && !connection.checking_ && connection.claims() < connection.capacity_);
}

void ServerPool::set_available(ServerConnection& connection, bool available) {
  if (connection.available_ == available) return;
  connection.available_ = available;
  if (connection.owner_ != nullptr) {
    if (!available) return;
    connection.base::ListNode<Available>::unlink();
    connection.owner_->connections_.push_front(connection);
  } else if (available) {
    available_.push_front(connection);
  } else {
    connection.base::ListNode<Available>::unlink();
  }
}

void ServerPool::begin_idle(ServerConnection& connection) {
  connection.idle_ = true;
  connection.awaited_ = false;  // nobody waits any more
  connection.idle_since_ms_ = context_.loop.now_ms();
  std::int64_t idle_ms = settings_.idle.count();
  if (const std::int64_t hint_ms = std::int64_t{connection.codec().idle_hint_s()} * 1000; hint_ms > 0) {
    idle_ms = std::min(idle_ms, std::max(hint_ms - hint_margin_ms, hint_ms / 2));
  }
  if (idle_ms == settings_.idle.count()) {
    idle_timeout_.start(connection.timer_);
  } else {
    context_.loop.timers().start(connection.timer_, std::chrono::milliseconds(idle_ms));
  }
  ++idle_count_;
  if (settings_.idle_gauge != nullptr) settings_.idle_gauge->set(idle_count_);
  if (connection.connection_.reading_paused()) connection.connection_.resume_reading();
}

void ServerPool::end_idle(ServerConnection& connection) {
  if (!connection.idle_) return;
  connection.idle_ = false;
  connection.timer_.stop();
  --idle_count_;
  if (settings_.idle_gauge != nullptr) settings_.idle_gauge->set(idle_count_);
}

void ServerPool::stop_awaiting(ServerConnection& connection) {
  if (std::exchange(connection.awaited_, false)) connection.timer_.stop();
}

void ServerPool::dispose(ServerConnection& connection) {
  AZULB_ASSERT(connection.claims() == 0);
  connection.capacity_ = 0;
  set_available(connection, false);
  end_idle(connection);
  stop_awaiting(connection);
  connection.base::ListNode<>::unlink();
  connection.base::ListNode<Available>::unlink();
  connection.codec().break_off();
  context_.loop.retire(connection);
}

void ServerPool::close_idle() {
  connections_.for_each([this](ServerConnection& connection) {
    if (connection.idle_) return dispose(connection);
    if (!connection.standing_ || connection.flushing_) return;
    connection.retiring_ = true;
    set_available(connection, false);
  });
}

void ServerPool::keep_idle(bool keep) {
  keeps_idle_ = keep;
  if (!keep) close_idle();
}

void ServerPool::close_all() {
  connections_.for_each([this](ServerConnection& connection) {
    if (connection.claims() == 0) dispose(connection);
  });
}

}  // namespace azulb::upstream
