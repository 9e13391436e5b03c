// An exchange after 101: opaque bytes both ways, and how azulb closes a WebSocket whose server drains. The
// client is told first, at the end of a message of the server's; its own close frame, which it answers with,
// passes to the server, so that nothing is lost of what it had sent before.
#include <limits>

#include "azulb/base/assert.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "azulb/http/upgrade.hpp"
#include "azulb/proxy/client_connection.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {
namespace {

using namespace std::chrono_literals;

// How long a peer that has been sent a close frame may take to answer it.
constexpr auto closing_patience = 2s;

}  // namespace

void Exchange::start_tunnel(http::ResponseHead& head, const http::ResponseInfo&) {
  std::string_view key;
  if (request_->info.websocket) {
    key = http::find_field(request_->head.fields, http::FieldId::sec_websocket_key)->value;
  }
  if (http::check_upgrade_response(head, request_->info.upgrade, key) != http::Defect::none) {
    return attempt_failed({.kind = balance::FailureKind::invalid_header,
                           .word = ErrorWord::upstream_invalid,
                           .error = ServerError::invalid_header});
  }
  attempt_.record_outcome(balance::Outcome::success);
  attempt_.count_tunnel();
  http::mark_hop_by_hop(head);
  http::ResponseHeadOut out;
  out.status = 101;
  out.reason = head.reason;
  out.fields = head.fields;
  out.own = apply_response_rules(head.fields, head.status);
  out.upgrade = request_->info.upgrade;
  enter(ExchangePhase::tunnel);
  stop_deadline();
  tunnel_ = true;
  websocket_ = request_->info.websocket;
  status_ = 101;
  first_byte_ns_ = worker_.loop().now_ns();
  client_writer_.write_response(out);
  client_writer_.flush();  // `out` shows into the request
  release_retry_budget();
  // A tunnel may last for hours: of the request only what its log line needs is kept.
  if (worker_.access_log().enabled()) summary_ = RequestSummary::of(*request_);
  request_.reset();
  trailers_.reset();
  retry_.reset();
  snapshot_->upstream(upstream_).tunnel_timeout->start(timer_);
  snapshot_->tunnel_begun(upstream_, attempt_.server(), worker_.newest_snapshot());
}

void Exchange::tunnel_to_client(std::span<const char> bytes) {
  if (tunnel_is_told()) return;  // nothing may follow a close frame
  const bool wanted = closing_ == TunnelClosing::wanted;
  if (wanted) {
    bytes = bytes.first(server_frames_.pass_message(bytes));
  } else if (websocket_) {
    server_frames_.pass(bytes);
  }
  if (closing_ != TunnelClosing::by_peers) snapshot_->upstream(upstream_).tunnel_timeout->start(timer_);
  pass_to_client(bytes);
  if (wanted && server_frames_.between_messages()) tell_client();
}

void Exchange::tunnel_to_server(std::span<const char> bytes) {
  if (closing_ == TunnelClosing::server_told) return;
  const bool wanted = closing_ == TunnelClosing::server_wanted;
  if (wanted) {
    bytes = bytes.first(client_frames_.pass_message(bytes));
  } else if (websocket_) {
    client_frames_.pass(bytes);
  }
  if (closing_ <= TunnelClosing::wanted) snapshot_->upstream(upstream_).tunnel_timeout->start(timer_);
  http::StreamWriter& writer = *attempt_.writer();
  writer.write_body(bytes);
  if (wanted && client_frames_.between_messages()) return tell_server();
  start_transfer(Direction::to_server, bytes.size());
  if (writer.queued_bytes() <= net::queue_high_bytes) return;
  writer.flush();
  if (writer.queued_bytes() <= net::queue_high_bytes) return;
  client_paused_ = true;
  client_writer_.pause_reading();
}

/// How many of the tunnel's next bytes may pass unseen: of a WebSocket the payload of the frame at hand.
std::uint64_t Exchange::transfer_limit(Direction direction) const {
  if (!websocket_) return std::numeric_limits<std::uint64_t>::max();
  return direction == Direction::to_client ? server_frames_.payload_left() : client_frames_.payload_left();
}

void Exchange::tunnel_transferred(Direction direction, std::uint64_t size_bytes) {
  const bool to_client = direction == Direction::to_client;
  if (websocket_) (to_client ? server_frames_ : client_frames_).skip(size_bytes);
  if (closing_ <= TunnelClosing::wanted) snapshot_->upstream(upstream_).tunnel_timeout->start(timer_);
  if (to_client && closing_ == TunnelClosing::wanted && server_frames_.between_messages()) tell_client();
  if (!to_client && closing_ == TunnelClosing::server_wanted && client_frames_.between_messages())
    tell_server();
}

bool Exchange::close_tunnel() {
  AZULB_ASSERT(phase_ == ExchangePhase::tunnel);
  if (!websocket_) return false;
  if (client_ended_ || server_ended_ || client_frames_.closed() || server_frames_.closed()) {
    closing_ = TunnelClosing::by_peers;
    start_closing_timer();
    return true;
  }
  closing_ = TunnelClosing::wanted;
  if (!server_frames_.between_messages()) return false;
  tell_client();
  return true;
}

void Exchange::keep_tunnel() {
  AZULB_ASSERT(closing_ <= TunnelClosing::wanted);
  closing_ = TunnelClosing::none;
}

void Exchange::cut_tunnel() {
  if (closing_ == TunnelClosing::wanted && server_frames_.between_frames()) return tell_client();
  abort_response(ErrorWord::draining);
}

void Exchange::tell_client() {
  attempt_.unlink();
  closing_ = TunnelClosing::client_told;
  const http::RestartFrame frame(std::nullopt);
  client_writer_.write_body(frame.bytes());
  client_writer_.flush();
  body_sent_bytes_ += frame.bytes().size();
  if (server_paused_) {  // what it still sends is dropped
    server_paused_ = false;
    attempt_.writer()->resume_reading();
  }
  start_closing_timer();
}

void Exchange::tell_server() {
  closing_ = TunnelClosing::server_told;
  const http::RestartFrame frame(static_cast<std::uint32_t>(worker_.random().next()));
  attempt_.writer()->write_body(frame.bytes());
  attempt_.writer()->flush();
  if (client_paused_) {
    client_paused_ = false;
    client_writer_.resume_reading();
  }
}

void Exchange::start_closing_timer() {
  worker_.loop().timers().list(closing_patience).start(timer_);
}

void Exchange::tunnel_timed_out() {
  if (closing_ <= TunnelClosing::wanted) return abort_response(ErrorWord::tunnel_timeout);
  const bool may_tell_server =
      closing_ == TunnelClosing::client_told && !client_frames_.closed() && !client_ended_ && !server_ended_;
  if (!may_tell_server) return abort_response(ErrorWord::draining);
  closing_ = TunnelClosing::server_wanted;
  start_closing_timer();
  if (client_frames_.between_messages()) tell_server();
}

}  // namespace azulb::proxy
