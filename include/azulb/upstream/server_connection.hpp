// One connection to a server, the right to use a stream of it, and who waits for that right.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "azulb/base/intrusive_list.hpp"
#include "azulb/http/server_codec.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/proxy_header.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/upstream/server_codec_table.hpp"

namespace azulb::upstream {

class ServerConnection;
class ServerPool;
struct PoolContext;

/// The right to use a stream to a server; given back by its destructor, which breaks off a stream that did
/// not end both ways. Loop's thread only.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)),
        stream_(std::exchange(other.stream_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      release();
      connection_ = std::exchange(other.connection_, nullptr);
      stream_ = std::exchange(other.stream_, nullptr);
    }
    return *this;
  }
  ~Lease() { release(); }

  explicit operator bool() const { return connection_ != nullptr; }
  /// Once.
  http::StreamWriter& open_stream(http::StreamReader& reader);
  /// Null until then.
  http::StreamWriter* stream() const { return stream_; }
  /// The connection had been leased before. To be asked before others lease it, too.
  bool reused() const;
  /// Provably the server has not acted upon this stream's request: no byte of it has reached the kernel, or
  /// the server says so.
  bool unprocessed() const;
  /// The server takes WebSockets.
  bool takes_websocket() const;
  void release() {
    if (connection_ != nullptr) give_back();
  }

 private:
  friend class ServerPool;
  explicit Lease(ServerConnection& connection) : connection_(&connection) {}
  void give_back();

  ServerConnection* connection_ = nullptr;
  http::StreamWriter* stream_ = nullptr;
};

/// Why there is no connection. Views are valid during the call they are given to.
struct ConnectFailure {
  int system_error = 0;
  std::string_view tls{};       // what TLS says, if it was that
  std::string_view protocol{};  // what the protocol's codec says
  bool known = false;  // another who waited there has been told, or has given up, before: it is one failure
};

/// Who waits for a stream on a connection that is being made or asked for a sign of life. One of the two
/// calls follows, never from within a call to the pool; neither after `stop_waiting`, which the destructor
/// calls.
class ConnectHandler : private base::ListNode<ConnectHandler> {
 public:
  virtual ~ConnectHandler() { stop_waiting(); }
  virtual void on_connected(Lease lease) = 0;
  virtual void on_connect_failure(const ConnectFailure& failure) = 0;
  void stop_waiting() {
    if (awaited_ != nullptr) leave();
  }

 protected:
  /// While it waits: that takes too long, and nobody is to join it there any more. False: that is known, as
  /// of a failure.
  bool give_up();

 private:
  friend class ServerPool;
  template <typename, typename>
  friend class base::IntrusiveList;
  void leave();
  ServerConnection* awaited_ = nullptr;
};

struct Available;  // a list's tag

/// One client connection as its servers know it: what the PROXY headers of its connections to them say, and
/// these connections. Nobody else's request may go over them, as it would be taken for this client's
/// (proxy-protocol.txt, section 2); they end with this object. It outlives every lease taken, and every wait
/// begun for it.
class PrivateConnections {
 public:
  explicit PrivateConnections(const net::ProxiedAddresses& client) : client_(client) {}
  PrivateConnections(const PrivateConnections&) = delete;
  PrivateConnections& operator=(const PrivateConnections&) = delete;
  ~PrivateConnections();

 private:
  friend class ServerPool;
  const net::ProxiedAddresses client_;
  base::IntrusiveList<ServerConnection, Available> connections_;  // of all pools, the last used first
};

/// Socket, codec, and its place in the pool. Lives until the pool has disposed of it; then the loop retires
/// it. In one list of those to be leased: its owner's, leased or not, or, while it is available, the pool's.
class ServerConnection final : public base::ListNode<>,
                               public base::ListNode<Available>,
                               private http::ServerCodecOwner,
                               private net::Retired {
 public:
  explicit ServerConnection(ServerPool& pool);

 private:
  friend class ConnectHandler;
  friend class PrivateConnections;
  friend class ServerPool;
  friend class Lease;

  /// Streams in use and waited for.
  std::uint32_t claims() const { return leases_ + waiters_; }
  http::ServerCodec& codec() { return slot_.codec(); }
  const http::ServerCodec& codec() const { return slot_.codec(); }

  void write_preamble() override;
  void on_connected() override;
  void on_connect_failure(int system_error) override;
  void on_idle_end() override;
  void on_capacity_changed() override;
  void on_timeout();
  void reclaim() override;

  ServerPool& pool_;
  PoolContext& context_;  // the pool may go before the loop has retired its connections
  ServerCodecSlot slot_;
  net::Connection connection_;
  base::IntrusiveList<ConnectHandler, ConnectHandler> waiting_;
  PrivateConnections* owner_ = nullptr;  // null: any client's requests may go over it
  net::MemberTimer<ServerConnection, &ServerConnection::on_timeout> timer_{*this};  // idle, or awaited
  std::int64_t idle_since_ms_ = 0;
  std::uint32_t requests_ = 0;
  std::uint32_t capacity_ = 0;  // as the codec last said; 0: takes no further stream
  std::uint32_t leases_ = 0;
  std::uint32_t waiters_ = 0;
  bool standing_ = false;
  bool checking_ = false;   // asked for a sign of life: not to be leased until that has come
  bool awaited_ = false;    // and that is waited for, for so long
  bool given_up_ = false;   // by one who waited for it, or it has failed
  bool available_ = false;  // to be leased
  bool idle_ = false;       // counted as such
  bool retiring_ = false;   // to be closed when given back, whatever its codec says
  bool flushing_ = false;   // a tunnel's last bytes are still being sent
};

}  // namespace azulb::upstream
