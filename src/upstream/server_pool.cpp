#include "azulb/upstream/server_pool.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>

#include "azulb/base/assert.hpp"

namespace azulb::upstream {
namespace {

// A connection used within this time is taken as it is; an older one is looked at first.
constexpr std::int64_t look_after_idle_ms = 1000;

// Of a server's own idle time, told by Keep-Alive: timeout=N, what is left for a request on its way.
constexpr std::int64_t hint_margin_ms = 1000;

}  // namespace

PrivateConnections::~PrivateConnections() {
  while (!idle_.empty())
    idle_.front().pool_.remove_idle(idle_.front());
}

std::vector<std::string> application_protocols() {
  return {"http/1.1"};
}

ServerConnection::ServerConnection(ServerPool& pool)
    : pool_(pool),
      context_(pool.context_),
      connection_(pool.context_.loop, codec_),
      codec_(connection_, pool.context_.scratch, *this) {}

void ServerConnection::leave_lists() {
  base::ListNode<ServerConnection>::unlink();
  base::ListNode<PrivateIdle>::unlink();
}

void ServerConnection::on_connected() {
  // Over TLS it has left ahead of the handshake.
  if (pool_.speaks_proxy_protocol() && connection_.tls() == nullptr) {
    // Gathered only: it leaves together with what follows, such as the first request's head.
    const std::span<char> room = connection_.write_scratch(net::written_proxy_header_bytes);
    connection_.commit_scratch(pool_.write_proxy_header(owner_, room.data()));
  }
  if (ConnectHandler* handler = std::exchange(waiting_, nullptr)) handler->on_connected();
}

void ServerConnection::on_connect_failure(int system_error) {
  if (ConnectHandler* handler = std::exchange(waiting_, nullptr)) handler->on_connect_failure(system_error);
}

void ServerConnection::on_idle_end() {
  // Leased but not yet used, it ends like any other: the stream opened on it will fail.
  if (flushing_) return pool_.remove_flushing(*this);
  if (is_listed()) pool_.remove_idle(*this);
}

void ServerConnection::on_idle_timeout() {
  pool_.remove_idle(*this);
}

void ServerConnection::reclaim() {
  context_.connections.destroy(*this);
}

http::StreamWriter& Lease::open_stream(http::StreamReader& reader) {
  ++connection_->requests_;
  return connection_->codec_.open_stream(reader);
}

std::string_view Lease::tls_failure() const {
  const tls::Session* const session = connection_->connection_.tls();
  return session != nullptr ? std::string_view(session->failure()) : std::string_view();
}

void Lease::give_back() {
  ServerConnection& connection = *std::exchange(connection_, nullptr);
  connection.pool_.give_back(connection);
}

ServerConnection* ServerPool::find_idle(PrivateConnections* owner) {
  if (owner == nullptr) return idle_.empty() ? nullptr : &idle_.front();
  return owner->idle_.find([this](const ServerConnection& connection) { return &connection.pool_ == this; });
}

Lease ServerPool::lease_idle(PrivateConnections* owner) {
  const std::int64_t now_ms = context_.loop.now_ms();
  while (ServerConnection* const connection = find_idle(owner)) {
    // What a server sends unasked must not become the answer to this request.
    const bool to_look_at =
        now_ms - connection->idle_since_ms_ > look_after_idle_ms || connection->connection_.may_have_input();
    if (to_look_at && connection->connection_.has_pending_input()) {
      remove_idle(*connection);
      continue;
    }
    connection->leave_lists();
    count_idle(idle_count_ - 1);
    connection->idle_timer_.stop();
    return Lease(*connection);
  }
  return {};
}

tl::expected<Lease, int> ServerPool::connect(ConnectHandler& handler, PrivateConnections* owner) {
  std::unique_ptr<tls::Session> session;
  if (settings_.tls != nullptr) {
    session = settings_.tls->make_session(settings_.tls_name, resumption_);
    if (session == nullptr) return tl::unexpected<int>(ENOMEM);
  }
  ServerConnection& connection = context_.connections.create(*this);
  connection.owner_ = owner;
  connection.connection_.set_write_timeout(settings_.write_timeout);
  std::array<char, net::written_proxy_header_bytes> header;
  const std::size_t header_bytes = session != nullptr ? write_proxy_header(owner, header.data()) : 0;
  if (const int system_error = connection.connection_.connect(settings_.address, std::move(session),
                                                              std::span(header).first(header_bytes));
      system_error != 0) {
    context_.connections.destroy(connection);
    return tl::unexpected<int>(system_error);
  }
  connection.waiting_ = &handler;
  return Lease(connection);
}

std::size_t ServerPool::write_proxy_header(const PrivateConnections* owner, char* out) const {
  if (settings_.proxy_protocol == 0) return 0;
  return net::write_proxy_header(settings_.proxy_protocol, owner != nullptr ? &owner->client_ : nullptr, out);
}

void ServerPool::give_back(ServerConnection& connection) {
  connection.waiting_ = nullptr;
  if (connection.codec_.flushing()) {
    connection.codec_.detach();
    connection.flushing_ = true;
    flushing_.push_back(connection);
    return;
  }
  const bool used_up = settings_.requests > 0 && connection.requests_ >= settings_.requests;
  const bool room = keeps_idle_ && idle_count_ < settings_.connections;
  if (!connection.codec_.reusable() || used_up || !room) {
    dispose(connection);
    return;
  }
  std::int64_t idle_ms = settings_.idle.count();
  if (const std::int64_t hint_ms = std::int64_t{connection.codec_.keep_alive_timeout_s()} * 1000;
      hint_ms > 0) {
    idle_ms = std::min(idle_ms, std::max(hint_ms - hint_margin_ms, hint_ms / 2));
  }
  connection.idle_since_ms_ = context_.loop.now_ms();
  if (idle_ms == settings_.idle.count()) {
    idle_timeout_.start(connection.idle_timer_);
  } else {
    context_.loop.timers().start(connection.idle_timer_, std::chrono::milliseconds(idle_ms));
  }
  if (connection.owner_ != nullptr) {
    private_idle_.push_front(connection);
    connection.owner_->idle_.push_front(connection);
  } else {
    idle_.push_front(connection);
  }
  count_idle(idle_count_ + 1);
  if (connection.connection_.reading_paused()) connection.connection_.resume_reading();
}

void ServerPool::count_idle(std::uint64_t count) {
  idle_count_ = count;
  if (settings_.idle_gauge != nullptr) settings_.idle_gauge->set(count);
}

void ServerPool::remove_idle(ServerConnection& connection) {
  connection.leave_lists();
  count_idle(idle_count_ - 1);
  dispose(connection);
}

void ServerPool::remove_flushing(ServerConnection& connection) {
  connection.leave_lists();
  connection.flushing_ = false;
  dispose(connection);
}

void ServerPool::dispose(ServerConnection& connection) {
  connection.idle_timer_.stop();
  connection.codec_.abort();
  context_.loop.retire(connection);
}

void ServerPool::close_idle() {
  for (auto* idle : {&idle_, &private_idle_}) {
    while (!idle->empty())
      remove_idle(idle->front());
  }
}

void ServerPool::keep_idle(bool keep) {
  keeps_idle_ = keep;
  if (!keep) close_idle();
}

void ServerPool::close_all() {
  close_idle();
  while (!flushing_.empty())
    remove_flushing(flushing_.front());
}

}  // namespace azulb::upstream
