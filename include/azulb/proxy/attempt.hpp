// One try of an exchange at one server: its place in the balancing, its lease, and what the server says.
// Reused for the exchange's next try; an exchange has one.
#pragma once

#include <cstdint>
#include <span>

#include "azulb/balance/outlier.hpp"
#include "azulb/balance/retry.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/net/own_shortage.hpp"
#include "azulb/proxy/error_word.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/upstream/server_pool.hpp"

namespace azulb::proxy {

class Exchange;
struct WorkerUpstream;

/// How an attempt failed: what the retry rules, the access log and the metrics call it.
struct AttemptEnd {
  balance::FailureKind kind = balance::FailureKind::error;
  ErrorWord word = ErrorWord::upstream_reset;
  ServerError error = ServerError::reset;
  bool unanswered = false;    // not one byte of an answer had come
  bool refused = false;       // the server says that it has not acted upon the request
  bool own_shortage = false;  // of descriptors, ports, memory: the server was not even asked
  bool known = false;         // of a connection that others waited for, too: the passive checks know

  /// The server's address takes no connections.
  bool nobody_there() const { return word == ErrorWord::upstream_connect && !own_shortage; }
};

/// The server is there, but TLS with it failed.
inline constexpr AttemptEnd tls_failure = {
    .kind = balance::FailureKind::error, .word = ErrorWord::upstream_tls, .error = ServerError::tls};

/// The server is there, but what it sends is not of the protocol it is configured to speak.
inline constexpr AttemptEnd protocol_failure = {.kind = balance::FailureKind::invalid_header,
                                                .word = ErrorWord::upstream_invalid,
                                                .error = ServerError::invalid_header};

/// No connection to the server, with the errno value.
constexpr AttemptEnd connect_failure(int system_error) {
  return {.kind = balance::FailureKind::error,
          .word = ErrorWord::upstream_connect,
          .error = ServerError::connect,
          .own_shortage = net::is_own_shortage(system_error)};
}

/// No connection, or no answer, in time.
inline constexpr AttemptEnd timed_out = {.kind = balance::FailureKind::timeout,
                                         .word = ErrorWord::upstream_timeout,
                                         .error = ServerError::timeout};

struct AttemptAtServer;  // the tag of AttemptList

class Attempt final : public base::ListNode<AttemptAtServer>,
                      private http::StreamReader,
                      private upstream::ConnectHandler {
 public:
  using base::ListNode<AttemptAtServer>::unlink;
  explicit Attempt(Exchange& exchange) : exchange_(exchange) {}
  ~Attempt() override;

  /// A server has been chosen and the request counted on it. Takes an idle connection if `may_reuse`, else
  /// makes one; the exchange's `attempt_connected` follows, perhaps within this call, or `attempt_failed`,
  /// never within it. Returns an errno if no connection could even be begun; the attempt has then failed and
  /// stays to be ended.
  int begin(WorkerUpstream& upstream, std::uint32_t server, bool may_reuse);
  /// Tries the same server again, after a kept connection proved stale or the server would not take this
  /// request there. Once.
  int begin_again();
  bool begun_again() const { return begun_again_; }
  /// Ends it: the lease is given back, the request is no longer counted on the server. Nothing is called
  /// after.
  void end();

  bool active() const { return upstream_ != nullptr; }
  std::uint32_t server() const { return server_; }
  /// Open from `attempt_connected` until `end`; null while connecting.
  http::StreamWriter* writer() { return lease_.stream(); }
  bool reused_connection() const { return reused_; }
  /// Only once there is a writer.
  bool takes_websocket() const { return lease_.takes_websocket(); }
  /// Provably the server has not acted upon the request.
  bool unprocessed() const { return lease_.stream() == nullptr || lease_.unprocessed(); }

  /// While connecting: it takes too long.
  AttemptEnd give_up_connecting();
  /// The request has been sent whole: from here the server's response time counts.
  void request_sent();
  /// Tells the passive checks and the metrics how the server did.
  void record_outcome(balance::Outcome outcome);
  void record_error(ServerError error);
  Exchange& exchange() { return exchange_; }
  /// Counts the tunnel, in the metrics and among the server's, until `end`.
  void count_tunnel();

  std::int64_t request_sent_ns() const { return request_sent_ns_; }

 private:
  int open(bool may_reuse);
  void connected();
  ServerMetrics& metrics();

  void on_connected(upstream::Lease lease) override;
  void on_connect_failure(const upstream::ConnectFailure& failure) override;
  void on_response(http::ResponseHead& head, const http::ResponseInfo& info) override;
  void on_body(std::span<const char> bytes) override;
  void on_end(std::span<http::Field> trailers) override;
  void on_failure(const http::StreamFailure& failure) override;
  void on_writable() override;

  Exchange& exchange_;
  WorkerUpstream* upstream_ = nullptr;  // null: not active
  upstream::Lease lease_;
  std::int64_t begun_ns_ = 0;
  std::int64_t request_sent_ns_ = 0;
  std::uint32_t server_ = 0;
  bool reused_ = false;
  bool begun_again_ = false;
  bool head_seen_ = false;
  bool tunnel_counted_ = false;
};

/// Attempts at one server that have something in common; one is in at most one of them.
using AttemptList = base::IntrusiveList<Attempt, AttemptAtServer>;

}  // namespace azulb::proxy
