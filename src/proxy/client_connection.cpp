#include "azulb/proxy/client_connection.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include "azulb/base/log.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

ClientConnection::ClientConnection(WorkerListener& listener, const base::SocketAddress& peer,
                                   std::uint16_t local_port)
    : listener_(listener),
      slot_(connection_, listener.codecs(), *this),
      connection_(listener.worker.loop(), slot_.handler()),
      local_port_(local_port),
      is_unix_(peer.is_unix()) {
  listener_.connection_made();
  if (is_unix_) return;
  peer_ip_ = peer.ip();
  peer_port_ = peer.port();
}

void ClientConnection::start(int descriptor) {
  connection_.set_write_timeout(&listener_.rules().send_timeout);
  connection_.set_fail_while_paused(true);
  if (listener_.rules().tls == nullptr) {
    connection_.adopt(descriptor);
    slot_.start();
    return;
  }
  std::unique_ptr<tls::Session> session = listener_.rules().tls->make_session();
  if (session == nullptr) {
    connection_.adopt(descriptor);
    on_failure(ENOMEM);
    return;
  }
  connection_.set_handler(*this);
  connection_.adopt(descriptor, std::move(session), listener_.rules().handshake_timeout);
}

void ClientConnection::on_connected() {
  const tls::Session& session = *connection_.tls();
  ListenerMetrics& metrics = listener_.rules().metrics;
  metrics.tls_handshakes.add();
  if (session.resumed()) metrics.tls_resumptions.add();
  if (std::string subject = session.peer_subject(); !subject.empty())
    rare().certificate_subject = std::move(subject);
  slot_.start(session.application_protocol());
}

void ClientConnection::on_failure(int system_error) {
  if (system_error == EPROTONOSUPPORT) {
    // Plain HTTP: it is told so in its own tongue.
    lacks_tls_ = true;
    connection_.continue_plain();
    slot_.start({});
    return;
  }
  listener_.rules().metrics.tls_failures.add();
  const tls::Session* const session = connection_.tls();
  const bool by_tls = session != nullptr && !session->failure().empty();
  if (base::log_enabled(base::LogLevel::debug)) {
    base::log_debug("listener {}: TLS handshake with {} failed: {}", listener_.rules().config.name,
                    peer_ip_.text(), by_tls ? session->failure() : std::strerror(system_error));
  }
  connection_.close();
  on_connection_closed();
}

upstream::PrivateConnections* ClientConnection::private_connections() {
  if (is_unix_) return nullptr;
  std::optional<upstream::PrivateConnections>& connections = rare().private_connections;
  if (!connections) {
    if (!rare_->local_ip) rare_->local_ip = net::local_address(connection_.descriptor()).ip();
    connections.emplace(net::ProxiedAddresses{.source = peer_ip_,
                                              .destination = *rare_->local_ip,
                                              .source_port = peer_port_,
                                              .destination_port = local_port_});
  }
  return &*connections;
}

ClientConnection::Rare& ClientConnection::rare() {
  if (rare_ == nullptr) rare_ = std::make_unique<Rare>();
  return *rare_;
}

http::StreamReader& ClientConnection::open_stream(http::StreamWriter& writer) {
  ++requests_;
  return listener_.worker.exchanges().create(*this, writer).reader();
}

void ClientConnection::on_connection_closed() {
  listener_.worker.connection_closed(*this);
}

void ClientConnection::reclaim() {
  WorkerListener& listener = listener_;
  listener.worker.client_connections_slab_.destroy(*this);
  listener.connection_destroyed();
}

}  // namespace azulb::proxy
