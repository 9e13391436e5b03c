// One client's connection: socket, codec, and who the client is. Opens an exchange for each request.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "azulb/base/address.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/client_codec_table.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::proxy {

class Worker;
class WorkerListener;

class ClientConnection final : public base::ListNode<ClientConnection>,
                               private http::StreamAcceptor,
                               private net::ConnectionHandler,
                               private net::Retired {
 public:
  ClientConnection(WorkerListener& listener, const base::SocketAddress& peer, std::uint16_t local_port);

  /// Takes over the descriptor.
  void start(int descriptor);
  /// See http::ClientCodec.
  void drain() { slot_.codec().drain(); }
  void wind_down() { slot_.codec().wind_down(); }
  void close_if_idle() { slot_.codec().close_if_idle(); }
  /// Ends it at once, with whatever is under way on it.
  void abort() { slot_.codec().break_off(); }
  /// Every request is answered 429 and the connection closed: its address has too many.
  void refuse_requests() { refused_ = true; }

  WorkerListener& listener() { return listener_; }
  const base::IpAddress& peer_ip() const { return peer_ip_; }
  std::uint16_t peer_port() const { return peer_port_; }
  std::uint16_t local_port() const { return local_port_; }
  /// The address that the client connected to, where it is not the socket's own: before `start`.
  void set_local_ip(const base::IpAddress& address) { rare().local_ip = address; }
  bool is_unix() const { return is_unix_; }
  bool is_encrypted() const { return connection_.tls() != nullptr; }
  /// It came without TLS to a listener that has it.
  bool lacks_tls() const { return lacks_tls_; }
  /// The subject of the client's verified certificate; empty: it gave none.
  std::string_view certificate_subject() const {
    return rare_ != nullptr ? std::string_view(rare_->certificate_subject) : std::string_view();
  }
  /// Its own connections to servers that are told whose they are; null for a client on a unix socket, of
  /// which there is nothing to tell.
  upstream::PrivateConnections* private_connections();
  bool refused() const { return refused_; }
  bool counted() const { return counted_; }
  void set_counted() { counted_ = true; }
  /// Requests begun on it, this one included.
  std::uint64_t requests() const { return requests_; }

 private:
  /// What few clients have.
  struct Rare {
    std::optional<base::IpAddress> local_ip;  // else: the socket's own
    std::string certificate_subject;
    std::optional<upstream::PrivateConnections> private_connections;
  };
  Rare& rare();

  http::StreamReader& open_stream(http::StreamWriter& writer) override;
  void on_connection_closed() override;
  void reclaim() override;

  // ConnectionHandler, until the handshake is done:
  void on_connected() override;
  std::size_t on_bytes(std::span<const char>) override { return 0; }
  void on_end() override {}
  void on_failure(int system_error) override;

  friend class Worker;

  WorkerListener& listener_;
  ClientCodecSlot slot_;  // before the connection, whose handler is in it
  net::Connection connection_;
  std::unique_ptr<Rare> rare_;
  std::uint64_t requests_ = 0;
  base::IpAddress peer_ip_;
  std::uint16_t peer_port_ = 0;
  std::uint16_t local_port_ = 0;
  bool is_unix_ = false;
  bool refused_ = false;
  bool counted_ = false;
  bool lacks_tls_ = false;
};

}  // namespace azulb::proxy
