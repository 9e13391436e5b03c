#include "azulb/upstream/server_connection.hpp"

#include <span>

#include "azulb/upstream/server_pool.hpp"

namespace azulb::upstream {

PrivateConnections::~PrivateConnections() {
  while (!connections_.empty()) {
    ServerConnection& connection = connections_.front();
    connection.pool_.dispose(connection);
  }
}

void ConnectHandler::leave() {
  ServerConnection& connection = *std::exchange(awaited_, nullptr);
  unlink();
  connection.pool_.stopped_waiting(connection);
}

bool ConnectHandler::give_up() {
  return !std::exchange(awaited_->given_up_, true);
}

http::StreamWriter& Lease::open_stream(http::StreamReader& reader) {
  stream_ = &connection_->codec().open_stream(reader);
  return *stream_;
}

bool Lease::unprocessed() const {
  return stream_ == nullptr || connection_->codec().unprocessed(*stream_);
}

bool Lease::takes_websocket() const {
  return connection_->codec().takes_websocket();
}

bool Lease::reused() const {
  return connection_->requests_ > 1;
}

void Lease::give_back() {
  ServerConnection& connection = *std::exchange(connection_, nullptr);
  connection.pool_.give_back(connection, std::exchange(stream_, nullptr));
}

ServerConnection::ServerConnection(ServerPool& pool)
    : pool_(pool),
      context_(pool.context_),
      slot_(connection_, pool.context_.codecs, pool.codec_settings_, *this),
      connection_(pool.context_.loop, slot_.handler()) {}

void ServerConnection::write_preamble() {
  // Over TLS it has left ahead of the handshake.
  if (!pool_.speaks_proxy_protocol() || connection_.tls() != nullptr) return;
  // Gathered only: it leaves together with what follows, such as the first request's head.
  const std::span<char> room = connection_.write_scratch(net::written_proxy_header_bytes);
  connection_.commit_scratch(pool_.write_proxy_header(owner_, room.data()));
}

void ServerConnection::on_connected() {
  pool_.connected(*this);
}

void ServerConnection::on_connect_failure(int system_error) {
  pool_.connect_failed(*this, system_error);
}

void ServerConnection::on_idle_end() {
  pool_.idle_ended(*this);
}

void ServerConnection::on_capacity_changed() {
  pool_.capacity_changed(*this);
}

void ServerConnection::on_timeout() {
  if (awaited_) return pool_.sign_of_life_missed(*this);
  pool_.dispose(*this);
}

void ServerConnection::reclaim() {
  context_.connections.destroy(*this);
}

}  // namespace azulb::upstream
