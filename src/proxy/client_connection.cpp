#include "azulb/proxy/client_connection.hpp"

#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

ClientConnection::ClientConnection(WorkerListener& listener, const base::SocketAddress& peer,
                                   std::uint16_t local_port)
    : listener_(listener),
      connection_(listener.worker.loop(), codec_),
      codec_(connection_, listener.worker.scratch(), listener.codec_settings, *this),
      local_port_(local_port),
      is_unix_(peer.is_unix()) {
  if (is_unix_) return;
  peer_ip_ = peer.ip();
  peer_port_ = peer.port();
}

void ClientConnection::start(int descriptor) {
  connection_.set_write_timeout(listener_.send_timeout);
  connection_.set_fail_while_paused(true);
  connection_.adopt(descriptor);
  codec_.start();
}

void ClientConnection::abort() {
  if (connection_.open()) codec_.on_failure(0);
}

http::StreamReader& ClientConnection::open_stream(http::StreamWriter& writer) {
  ++requests_;
  return listener_.worker.exchanges().create(*this, writer).reader();
}

void ClientConnection::on_connection_closed() {
  listener_.worker.connection_closed(*this);
}

void ClientConnection::reclaim() {
  listener_.worker.client_connections_slab_.destroy(*this);
}

}  // namespace azulb::proxy
