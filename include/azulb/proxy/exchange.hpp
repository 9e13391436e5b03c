// One client request on its way through azulb, whatever protocols are spoken on either side: routed,
// balanced, tried, tried again, answered, counted and logged.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "azulb/base/assert.hpp"
#include "azulb/base/buffer.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/config/config.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http/websocket_frames.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/proxy/attempt.hpp"
#include "azulb/proxy/error_word.hpp"
#include "azulb/proxy/exchange_phase.hpp"
#include "azulb/proxy/raw_transfer.hpp"
#include "azulb/proxy/request_summary.hpp"
#include "azulb/proxy/retry_state.hpp"
#include "azulb/proxy/worker_snapshot.hpp"

namespace azulb::proxy {

class ClientConnection;
class Worker;

/// An answer of azulb's own.
struct LocalReply {
  int status = 500;
  ErrorWord error = ErrorWord::none;  // why, for the log; none: that is what the route asks for
  std::string_view detail{};          // a sentence for the body; may be empty
  std::string_view body{};            // instead of the standard one, with `content_type`
  std::string_view content_type{};
  std::span<const http::Field> fields{};  // further fields
};

/// How far the end of a tunnel, which azulb wants as its server drains, has come.
enum class TunnelClosing : std::uint8_t {
  none,
  wanted,         // at the end of the server's message
  by_peers,       // who had begun to close it themselves
  client_told,    // by a close frame: its own one, which follows, tells the server
  server_wanted,  // the client does not answer: the server is told at the end of the client's message
  server_told,
};

/// Lives from its request's head until both streams have ended; then it is retired. One thread.
class Exchange final : public base::ListNode<ExchangeWaiting>,
                       private http::StreamReader,
                       private net::Retired {
 private:
  void on_deadline();

 public:
  using Deadline = net::MemberTimer<Exchange, &Exchange::on_deadline>;

  Exchange(ClientConnection& client, http::StreamWriter& client_writer);
  ~Exchange() override;

  http::StreamReader& reader() { return *this; }

  // From the attempt. Each may end or repeat the attempt, or finish the exchange.
  void attempt_connected();
  void attempt_failed(const AttemptEnd& end);
  void attempt_response(http::ResponseHead& head, const http::ResponseInfo& info);
  void attempt_body(std::span<const char> bytes);
  void attempt_end(std::span<http::Field> trailers);
  void attempt_writable();
  /// A server is down by its health checks while its answer is awaited: tried elsewhere, if that is allowed.
  void server_went_down();

  // From the server's TunnelDrain, in the phase `tunnel`.
  /// Closes the tunnel, politely; this takes care of itself from here on. False: nothing can be said yet, or
  /// ever.
  bool close_tunnel();
  /// After a `close_tunnel` that was false: it is not wanted any more.
  void keep_tunnel();
  /// Time is over.
  void cut_tunnel();

  /// From a transfer inside the kernel.
  void transferred(Direction direction, std::uint64_t size_bytes, bool sink_behind);

  /// While waiting, next in line: a server may have become available. True if it no longer waits.
  bool try_again();
  config::Priority priority() const { return rules_->config->priority; }
  /// Since when it has its place in line: from its beginning if it has been at a server.
  std::int64_t in_line_since_ns() const { return attempts_ == 0 ? waiting_since_ns_ : begun_ns_; }

  /// From its snapshot, while waiting, when there is a newer one: as long as no server has been asked, the
  /// request may be routed as if it came only now.
  bool may_be_routed_anew() const;
  void route_anew();

  Worker& worker() { return worker_; }
  ClientConnection& client() { return client_; }

 private:
  // http::StreamReader, of the client's stream
  void on_request(http::StoredRequest request) override;
  void on_bad_request(http::BadRequest bad) override;
  void on_body(std::span<const char> bytes) override;
  void on_end(std::span<http::Field> trailers) override;
  void on_failure(const http::StreamFailure& failure) override;
  void on_writable() override;
  void reclaim() override;

  // exchange.cpp: begin and end
  void enter(ExchangePhase phase) {
    AZULB_ASSERT(may_follow(phase_, phase));
    phase_ = phase;
  }
  void route_request();
  void take_route(std::uint32_t route);
  void count_route(std::uint32_t series);
  void answer_route(std::uint32_t route);
  void answer_plain_client();
  void answer_redirect(const config::Redirect& redirect);
  void finish(ErrorWord error);
  void write_access_record(ErrorWord error, std::int64_t now_ns);
  void on_timeout();

  // exchange_rules.cpp: what the route wants
  void start_deadline();
  void stop_deadline() {
    if (deadline_ != nullptr) deadline_->stop();
  }
  bool body_too_large(std::uint64_t size_bytes) const;
  std::span<const http::Field> apply_response_rules(std::span<http::Field> fields, int status) {
    if (rules_ == nullptr || (rules_->response_headers.empty() && !split_by_chance_)) return {};
    return rewrite_response(fields, status);
  }
  std::span<const http::Field> rewrite_response(std::span<http::Field> fields, int status);

  // exchange_attempts.cpp: choosing, waiting, sending
  void choose_server();
  std::optional<std::uint32_t> acquire_server();
  void begin_attempt(std::uint32_t server);
  void wait_for_server();
  void wait_in_line();
  void stop_waiting();
  bool may_reuse_connection() const;
  void send_request();
  void forward_request_body(std::span<const char> bytes);
  void finish_request();

  // exchange_retry.cpp: what follows a failed attempt
  void end_attempt();
  bool says_nothing(const AttemptEnd& end) const;
  bool is_retry_condition(int status) const;
  bool may_retry(const AttemptEnd& end, int status);
  balance::AttemptFailure failure_of(const AttemptEnd& end, int status);
  bool may_await_return(const AttemptEnd& end);
  void await_return(const AttemptEnd& end);
  RetryState& retry_state();
  HeldAnswer& hold(const AttemptEnd& end);
  std::span<const std::uint32_t> tried() const;
  bool retry_instead_of(http::ResponseHead& head, const http::ResponseInfo& info);
  balance::RetryBudget& retry_budget();
  bool take_retry_budget();
  void release_retry_budget();
  void back_off();
  void backed_off();
  void wait_for_budget();
  void give_held_answer();
  void give_up(const AttemptEnd& end);

  // exchange_response.cpp: what goes to the client
  void pass_response(http::ResponseHead& head, const http::ResponseInfo& info);
  void pass_to_client(std::span<const char> bytes);
  void reply(const LocalReply& reply);
  void reply_error(ErrorWord error, std::string_view detail = {}, int status = 0);
  void abort_response(ErrorWord error);
  void start_transfer(Direction direction, std::size_t read_bytes);
  bool connection_used_up() const;
  bool is_head_request() const;

  // exchange_tunnel.cpp: after 101
  void start_tunnel(http::ResponseHead& head, const http::ResponseInfo& info);
  void tunnel_to_client(std::span<const char> bytes);
  void tunnel_to_server(std::span<const char> bytes);
  void tunnel_transferred(Direction direction, std::uint64_t size_bytes);
  std::uint64_t transfer_limit(Direction direction) const;
  void tunnel_timed_out();
  void tell_client();
  void tell_server();
  void start_closing_timer();
  HeldAnswer* held() const { return retry_ != nullptr ? retry_->held.get() : nullptr; }
  /// In the queue for a server, or for one to come back.
  bool waits() const { return linked() || (retry_ != nullptr && retry_->awaits_return); }
  bool tunnel_is_told() const { return closing_ >= TunnelClosing::client_told; }
  ErrorWord tunnel_end_word(ErrorWord word) const { return tunnel_is_told() ? ErrorWord::draining : word; }

  ClientConnection& client_;
  Worker& worker_;
  SnapshotUse snapshot_;           // the one it began with
  const ListenerRules* listener_;  // of that
  http::StreamWriter& client_writer_;
  http::StoredRequest request_;
  base::Buffer replay_;  // the request body so far, for another attempt or until the first is connected
  std::unique_ptr<RawTransfer> to_client_;  // of a large body, once it is one
  std::unique_ptr<RawTransfer> to_server_;
  std::unique_ptr<RetryState> retry_;             // once an attempt has failed
  std::unique_ptr<RequestSummary> summary_;       // of a tunnel, instead of `request_`
  std::unique_ptr<http::StoredFields> trailers_;  // of the request
  Attempt attempt_{*this};
  net::MemberTimer<Exchange, &Exchange::on_timeout> timer_{*this};
  Deadline* deadline_ = nullptr;              // if the route has one
  const RouteRules* rules_ = nullptr;         // null: it has no route
  const Destination* destination_ = nullptr;  // null: azulb answers itself

  std::int64_t begun_ns_ = 0;
  std::int64_t first_byte_ns_ = 0;  // response head written to the client
  std::int64_t waiting_since_ns_ = 0;
  std::int64_t queue_ns_ = -1;
  std::uint64_t received_bytes_ = 0;   // of the request, head and body
  std::uint64_t body_sent_bytes_ = 0;  // of the response, without framing
  std::uint32_t upstream_;
  std::uint32_t route_ = 0;  // if there are rules_
  std::uint32_t series_;     // of the metrics
  std::uint32_t last_server_ = UINT32_MAX;
  http::WebSocketFrames client_frames_;  // of a WebSocket: what passes from the client
  http::WebSocketFrames server_frames_;
  std::uint16_t attempts_ = 0;
  std::uint16_t status_ = 0;  // written to the client
  ExchangePhase phase_ = ExchangePhase::begun;
  TunnelClosing closing_ = TunnelClosing::none;
  bool request_complete_ : 1 = false;
  bool replayable_ : 1 = true;
  bool client_paused_ : 1 = false;  // reading of the request body
  bool server_paused_ : 1 = false;  // reading of the response
  bool budget_taken_ : 1 = false;
  bool client_ended_ : 1 = false;  // of a tunnel
  bool server_ended_ : 1 = false;
  bool route_counted_ : 1 = false;
  bool split_by_chance_ : 1 = false;  // and the client is to keep to it
  bool tunnel_ : 1 = false;
  bool websocket_ : 1 = false;  // of a tunnel
};

}  // namespace azulb::proxy
