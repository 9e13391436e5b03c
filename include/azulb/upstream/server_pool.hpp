// Connections of one worker to one server. What a connection can carry at once is its codec's to say: one
// stream in HTTP/1, several in HTTP/2.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "azulb/base/address.hpp"
#include "azulb/base/counter.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/result.hpp"
#include "azulb/base/slab.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/tls/client_context.hpp"
#include "azulb/upstream/server_connection.hpp"

namespace azulb::upstream {

struct PoolSettings {
  base::SocketAddress address;
  config::Protocol protocol{};
  std::uint64_t connections = 256;  // idle ones kept
  std::chrono::milliseconds idle{50'000};
  std::uint64_t requests = 0;  // per connection; 0 = unlimited
  int proxy_protocol = 0;      // version of the header that connections begin with; 0 = none
  net::TimerList* write_timeout = nullptr;
  std::shared_ptr<const tls::ClientContext> tls = nullptr;  // null: plain text
  std::string tls_name{};                                   // what the server must prove to be
  base::Gauge* idle_gauge = nullptr;                        // kept at `idle_count`, if there is one
  http::FloodCounters* floods = nullptr;                    // connections that the server ended so

  bool operator==(const PoolSettings&) const = default;
};

/// What the pools of one loop share.
struct PoolContext {
  net::Loop& loop;
  ServerCodecs& codecs;
  base::Slab<ServerConnection>& connections;
};

/// How sure it must be that the server still listens.
enum class Trust : std::uint8_t {
  kept,    // as far as is known: a request that can be sent again may go
  proven,  // the server has just been heard of, and its protocol says which requests it has not acted upon
};

class ServerPool {
 public:
  ServerPool(PoolContext& context, PoolSettings settings)
      : context_(context),
        settings_(std::move(settings)),
        codec_settings_(settings_.protocol, context.loop.timers(),
                        settings_.write_timeout != nullptr ? settings_.write_timeout
                                                           : &context.loop.timers().list(settings_.idle),
                        settings_.floods),
        idle_timeout_(context.loop.timers().list(settings_.idle)) {}
  ServerPool(const ServerPool&) = delete;
  ServerPool& operator=(const ServerPool&) = delete;
  /// Every lease has been released, and nobody waits.
  ~ServerPool() { close_all(); }

  /// A stream on a connection that stands and has room, if there is one. With an `owner` on one of its own,
  /// else on one that is nobody's.
  Lease lease_kept(Trust trust, PrivateConnections* owner = nullptr);
  /// A stream later: on a new connection, or where connections are shared on one that is being made, or that
  /// is asked whether it still stands. `handler` is told; an errno known at once is returned, 0 if there is
  /// none. With `proxy_protocol` a connection begins with a header that tells of `owner`, or, without one, of
  /// no client.
  int connect(ConnectHandler& handler, PrivateConnections* owner = nullptr);

  std::uint64_t idle_count() const { return idle_count_; }
  const PoolSettings& settings() const { return settings_; }
  const base::SocketAddress& address() const { return settings_.address; }
  /// Connections begin with a PROXY header: each client connection needs its own.
  bool speaks_proxy_protocol() const { return settings_.proxy_protocol != 0; }
  /// Idle connections are closed; those in use are once they are not.
  void close_idle();
  /// False: idle connections are closed, now and whenever one is given back.
  void keep_idle(bool keep);
  /// Also what the ends of tunnels are still being sent over.
  void close_all();

 private:
  friend class ConnectHandler;
  friend class PrivateConnections;
  friend class ServerConnection;
  friend class Lease;

  // server_pool.cpp: leasing and giving back
  ServerConnection* find_available(Trust trust, PrivateConnections* owner);
  Lease lease(ServerConnection& connection);
  void give_back(ServerConnection& connection, http::StreamWriter* stream);
  bool used_up(const ServerConnection& connection) const {
    return connection.capacity_ == 0 || connection.retiring_ ||
           (settings_.requests > 0 && connection.requests_ >= settings_.requests);
  }
  void settle(ServerConnection& connection);
  void set_available(ServerConnection& connection, bool available);
  void begin_idle(ServerConnection& connection);
  void end_idle(ServerConnection& connection);
  void stop_awaiting(ServerConnection& connection);
  void dispose(ServerConnection& connection);

  // server_pool_connects.cpp: connections that are waited for
  tl::expected<ServerConnection*, int> begin_connection(PrivateConnections* owner);
  /// One that is being made or asked for a sign of life, with room for another who waits for it.
  ServerConnection* find_awaited(PrivateConnections* owner);
  ServerConnection* ask_for_sign_of_life(PrivateConnections* owner);
  /// For one who waits. While it is being made that is reckoned with what earlier ones allowed.
  bool has_room(const ServerConnection& connection) const;
  void wait_for(ServerConnection& connection, ConnectHandler& handler);
  void stopped_waiting(ServerConnection& connection);
  void connected(ServerConnection& connection);
  void connect_failed(ServerConnection& connection, int system_error);
  void idle_ended(ServerConnection& connection);
  void capacity_changed(ServerConnection& connection);
  void sign_of_life_missed(ServerConnection& connection);
  void serve_waiters(ServerConnection& connection);
  /// To others, which are made if need be.
  void move_waiters(ServerConnection& connection);
  void fail_waiters(ServerConnection& connection, ConnectFailure failure);
  std::size_t write_proxy_header(const PrivateConnections* owner, char* out) const;

  PoolContext& context_;
  const PoolSettings settings_;
  const ServerCodecSettings codec_settings_;
  const bool shared_ = shares_connections(settings_.protocol);
  base::IntrusiveList<ServerConnection> connections_;           // all
  base::IntrusiveList<ServerConnection, Available> available_;  // nobody's, the last used first
  std::uint64_t idle_count_ = 0;
  bool keeps_idle_ = true;
  std::uint32_t expected_capacity_ = first_expected_capacity;  // of a connection that is being made
  net::TimerList& idle_timeout_;
  tls::Resumption resumption_;

  static constexpr std::uint32_t first_expected_capacity = 100;
};

}  // namespace azulb::upstream
