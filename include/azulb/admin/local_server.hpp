// A small HTTP/1 server for what azulb itself has to show: the admin pages on main's loop, and the demo's
// replicas. Built on the same connection and codec as the proxy, so it takes hostile clients as well;
// everything it holds is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/at_most_every.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/units.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/http1/client_codec.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::admin {

struct LocalServerSettings {
  std::string server_name = "azulb";         // the Server field
  std::size_t connections_limit = 256;       // near it idle ones are closed, past it new ones wait
  std::size_t body_limit_bytes = 64 * 1024;  // of a request's body; past it 413
  std::size_t queued_limit_bytes = 64
                                   << 20;  // of answers not yet taken, all connections together; past it 503
  base::Milliseconds header_timeout{10'000};   // first byte of a request to the end of its head; then 408
  base::Milliseconds body_timeout{10'000};     // end of the head to the end of the body; then 408
  base::Milliseconds idle_timeout{30'000};     // between requests
  base::Milliseconds half_close_grace{5'000};  // a client that has ended its side counts as gone after it
  base::Milliseconds write_timeout{30'000};    // between two successful writes to a client that is behind
};

struct LocalAnswer {
  int status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";  // empty: no Content-Type
  std::string_view body = {};                                   // sent with its length; not to HEAD
  std::span<const http::Field> fields = {};                     // written besides
  bool close = false;                                           // the connection takes no further request
};

/// What goes on after `handle` has returned: an answer that comes later, one that is written bit by bit, or
/// an upgraded connection. It is given to its exchange, whose `request()` and calls stay valid for as long as
/// it lives, and destroyed after its exchange's end.
class LocalStream {
 public:
  virtual ~LocalStream() = default;
  /// The client has gone or the server stops; last call. Not called once the stream itself has ended the
  /// exchange.
  virtual void on_closed() = 0;
  /// What was written has left, at least down to net::queue_low_bytes.
  virtual void on_writable() {}
  /// Of an upgraded connection: bytes as they come (valid during the call), and the client's end.
  virtual void on_bytes(std::span<const char>) {}
  virtual void on_end() {}
};

/// One request and its answer. All calls copy what they are given (to the kernel, or to the connection's
/// queue).
class LocalExchange {
 public:
  virtual const http::Request& request() const = 0;
  virtual std::string_view body() const = 0;
  virtual net::Loop& loop() = 0;

  /// The answer comes later, or in parts. Before `handle` returns, unless that has answered.
  virtual void attach(std::unique_ptr<LocalStream> stream) = 0;

  /// The whole answer, once; ends the exchange.
  virtual void respond(const LocalAnswer& answer) = 0;

  /// Begins an answer of unknown length; `answer.body` is its beginning. False: nothing more is wanted (HEAD)
  /// and the exchange has ended.
  virtual bool begin(const LocalAnswer& answer) = 0;
  /// 101, for a request whose `info.upgrade` is not empty; a websocket's Sec-WebSocket-Accept is added.
  virtual void upgrade() = 0;
  /// After `begin` or `upgrade`. False: the client is behind (net::queue_high_bytes are queued) and nothing
  /// was taken; the stream drops the bytes, or tries again in `on_writable`.
  virtual bool write(std::string_view bytes) = 0;
  virtual std::size_t queued_bytes() const = 0;
  /// Of an upgraded connection: `on_bytes` stops and goes on.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  /// Ends the answer, or our side of an upgraded connection, whose client then has `idle_timeout` to end its
  /// own. Ends the exchange.
  virtual void end() = 0;
  /// Ends the exchange so that the client does not take its answer for complete.
  virtual void abort() = 0;

 protected:
  ~LocalExchange() = default;
};

class LocalHandler {
 public:
  virtual ~LocalHandler() = default;
  /// A whole request, with a body within the limit. Answers it, or attaches a stream that will; a request
  /// that is left alone gets 500.
  virtual void handle(LocalExchange& exchange) = 0;
};

class LocalConnection;

/// Belongs to its loop's thread. The handler and the bound sockets outlive it. Before it is destroyed it must
/// have been stopped and the loop have come to the end of that turn; or the loop must not have run yet.
class LocalServer final : public net::AcceptHandler {
 public:
  LocalServer(net::Loop& loop, LocalHandler& handler, LocalServerSettings settings);
  ~LocalServer() override;

  /// Begins to accept on a socket, TCP or unix.
  void listen(const net::BoundSocket& socket);
  /// Accepts nothing more; connections are closed when they are idle.
  void drain();
  /// Accepts nothing more and breaks off all connections.
  void stop();

  std::size_t connection_count() const { return connection_count_; }
  /// Drained, and nothing is left that the loop has to give back: it may be destroyed.
  bool empty() const { return draining_ && connection_count_ == 0 && retired_count_ == 0; }

 private:
  friend class LocalConnection;
  void on_accepted(const base::SocketAddress& local, int descriptor,
                   const base::SocketAddress& peer) override;
  void on_accept_failure(int system_error) override;
  bool close_an_idle_connection();
  void retry_accepting();
  void pause_accepting();
  void connection_closed(LocalConnection& connection);
  void reclaim(LocalConnection& connection);
  std::size_t queued_bytes();

  net::Loop& loop_;
  LocalHandler& handler_;
  const LocalServerSettings settings_;
  http1::CodecScratch scratch_;
  http1::ClientHabit client_habit_;
  http1::ClientCodecSettings codec_settings_;
  net::TimerList& body_timeout_;
  net::TimerList& idle_timeout_;
  net::TimerList& write_timeout_;
  std::vector<std::unique_ptr<net::ListeningSocket>> sockets_;
  base::IntrusiveList<LocalConnection> connections_;  // the one that was used longest ago first
  std::size_t connection_count_ = 0;                  // open ones
  std::size_t retired_count_ = 0;                     // closed, waiting for the end of the turn
  net::MemberTimer<LocalServer, &LocalServer::retry_accepting> accept_timer_{*this};
  base::AtMostEvery failure_warning_{net::accept_failure_log_interval_ms};
  bool draining_ = false;
};

}  // namespace azulb::admin
