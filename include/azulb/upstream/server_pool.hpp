// Connections of one worker to one server, and the right to use one of them for a stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/counter.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/result.hpp"
#include "azulb/base/slab.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http1/server_codec.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/proxy_header.hpp"
#include "azulb/tls/client_context.hpp"

namespace azulb::upstream {

class ServerPool;
struct PoolContext;

/// The names in ALPN of what servers are spoken to in, the preferred first.
std::vector<std::string> application_protocols();

/// Who waits for a connection that is being made. Neither call comes after the lease has been released.
class ConnectHandler {
 public:
  virtual ~ConnectHandler() = default;
  virtual void on_connected() = 0;
  virtual void on_connect_failure(int system_error) = 0;
};

class ServerConnection;
struct PrivateIdle;  // the tag of PrivateConnections' list

/// One client connection as its servers know it: what the PROXY headers of its connections to them say, and
/// those of them that are idle. Nobody else's request may go over them, as it would be taken for this
/// client's (proxy-protocol.txt, section 2); they end with this object. It outlives every lease taken for it.
class PrivateConnections {
 public:
  explicit PrivateConnections(const net::ProxiedAddresses& client) : client_(client) {}
  PrivateConnections(const PrivateConnections&) = delete;
  PrivateConnections& operator=(const PrivateConnections&) = delete;
  ~PrivateConnections();

 private:
  friend class ServerPool;
  const net::ProxiedAddresses client_;
  base::IntrusiveList<ServerConnection, PrivateIdle> idle_;  // of all pools, the most recently used first
};

/// One connection to a server: socket, codec, and its place in the pool.
class ServerConnection final : public base::ListNode<ServerConnection>,
                               public base::ListNode<PrivateIdle>,
                               private http1::ServerCodecOwner,
                               private net::Retired {
 public:
  explicit ServerConnection(ServerPool& pool);

 private:
  friend class PrivateConnections;
  friend class ServerPool;
  friend class Lease;

  bool is_listed() const { return base::ListNode<ServerConnection>::linked(); }
  void leave_lists();
  void on_connected() override;
  void on_connect_failure(int system_error) override;
  void on_idle_end() override;
  void on_idle_timeout();
  void reclaim() override;

  ServerPool& pool_;
  PoolContext& context_;  // the pool may go before the loop has retired its connections
  net::Connection connection_;
  http1::ServerCodec codec_;
  ConnectHandler* waiting_ = nullptr;
  PrivateConnections* owner_ = nullptr;  // null: any client's requests may go over it
  net::MemberTimer<ServerConnection, &ServerConnection::on_idle_timeout> idle_timer_{*this};
  std::int64_t idle_since_ms_ = 0;
  std::uint64_t requests_ = 0;
  bool flushing_ = false;  // stands in the pool's list of those
};

/// The right to use a stream to a server; given back by its destructor. A connection whose stream did not end
/// both ways is closed, any other goes back to the pool. Loop's thread only.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      release();
      connection_ = std::exchange(other.connection_, nullptr);
    }
    return *this;
  }
  ~Lease() { release(); }

  explicit operator bool() const { return connection_ != nullptr; }
  /// Once, after the connection stands.
  http::StreamWriter& open_stream(http::StreamReader& reader);
  /// The connection has carried a stream before.
  bool reused() const { return connection_->requests_ > 1; }
  /// Provably no byte of this stream's request has reached the kernel.
  bool nothing_sent() const { return connection_->codec_.nothing_sent(); }
  /// What TLS says about a connection that failed with EPROTO; empty if it has not failed there.
  std::string_view tls_failure() const;
  void release() {
    if (connection_ != nullptr) give_back();
  }

 private:
  void give_back();
  friend class ServerPool;
  explicit Lease(ServerConnection& connection) : connection_(&connection) {}
  ServerConnection* connection_ = nullptr;
};

struct PoolSettings {
  base::SocketAddress address;
  std::uint64_t connections = 256;  // idle ones kept
  std::chrono::milliseconds idle{50'000};
  std::uint64_t requests = 0;  // per connection; 0 = unlimited
  int proxy_protocol = 0;      // version of the header that connections begin with; 0 = none
  net::TimerList* write_timeout = nullptr;
  const tls::ClientContext* tls = nullptr;  // null: plain text
  std::string tls_name{};                   // what the server must prove to be
  base::Gauge* idle_gauge = nullptr;        // kept at `idle_count`, if there is one
};

/// What the pools of one loop share.
struct PoolContext {
  net::Loop& loop;
  http1::CodecScratch& scratch;
  base::Slab<ServerConnection>& connections;
};

class ServerPool {
 public:
  ServerPool(PoolContext& context, PoolSettings settings)
      : context_(context),
        settings_(std::move(settings)),
        idle_timeout_(context.loop.timers().list(settings_.idle)) {}
  ServerPool(const ServerPool&) = delete;
  ServerPool& operator=(const ServerPool&) = delete;
  /// Every lease has been released.
  ~ServerPool() { close_all(); }

  /// An idle connection that, as far as can be known, the server has not closed; else an empty lease. With an
  /// `owner` one of its own, else one that is nobody's.
  Lease lease_idle(PrivateConnections* owner = nullptr);
  /// Begins to connect; `handler` is told later. The error is an errno known at once. With `proxy_protocol`
  /// the connection begins with a header that tells of `owner`, or, without one, of no client.
  tl::expected<Lease, int> connect(ConnectHandler& handler, PrivateConnections* owner = nullptr);

  std::uint64_t idle_count() const { return idle_count_; }
  const base::SocketAddress& address() const { return settings_.address; }
  /// Connections begin with a PROXY header: each client connection needs its own.
  bool speaks_proxy_protocol() const { return settings_.proxy_protocol != 0; }
  void close_idle();
  /// False: idle connections are closed, now and whenever one is given back.
  void keep_idle(bool keep);
  /// Also what the ends of tunnels are still being sent over.
  void close_all();

 private:
  friend class PrivateConnections;
  friend class ServerConnection;
  friend class Lease;
  ServerConnection* find_idle(PrivateConnections* owner);
  std::size_t write_proxy_header(const PrivateConnections* owner, char* out) const;
  void give_back(ServerConnection& connection);
  void remove_idle(ServerConnection& connection);
  void count_idle(std::uint64_t count);
  void remove_flushing(ServerConnection& connection);
  void dispose(ServerConnection& connection);

  PoolContext& context_;
  const PoolSettings settings_;
  base::IntrusiveList<ServerConnection, ServerConnection> idle_;          // the most recently used first
  base::IntrusiveList<ServerConnection, ServerConnection> private_idle_;  // those that have an owner
  /// Ended tunnels whose last bytes the server has not taken yet; the write timeout watches over them.
  base::IntrusiveList<ServerConnection, ServerConnection> flushing_;
  std::uint64_t idle_count_ = 0;
  bool keeps_idle_ = true;
  net::TimerList& idle_timeout_;
  tls::Resumption resumption_;
};

}  // namespace azulb::upstream
