// The connection's life: reading, telling, sending, and its end.
#include "azulb/http2/client_codec.hpp"

#include <array>
#include <cerrno>
#include <utility>

namespace azulb::http2 {

using http::Flood;
using http::StreamFailure;

namespace {

// Frames that wait to be sent besides bodies: four for each stream (heads, a window, a reset), and these.
constexpr std::size_t waiting_frames_limit = 4096;
// What may be held of requests' bodies before the client has to wait with all of them.
constexpr std::size_t held_bytes_limit = 1024 * 1024;
// What a client that is told goodbye may go on sending before it is no longer listened to.
constexpr std::size_t dropped_bytes_limit = 256 * 1024;

}  // namespace

ClientCodec::ClientCodec(net::Connection& connection, CodecScratch& scratch,
                         const ClientCodecSettings& settings, http::StreamAcceptor& acceptor)
    : Multiplexer(connection, scratch, End::to_client, settings.limits.header_bytes, held_bytes_limit),
      settings_(settings),
      acceptor_(acceptor) {}

void ClientCodec::start() {
  const auto header_list_bytes =
      static_cast<std::uint32_t>(settings_.limits.header_bytes + settings_.limits.request_line_bytes);
  const std::array<nghttp2_settings_entry, 4> entries = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings_.streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, header_list_bytes},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  begin(entries);
  update_timer();
}

void ClientCodec::drain() {
  if (phase_ != Phase::open || draining_ || goodbye_said_) return;
  draining_ = true;
  // What the client has begun before it can have heard of this is still answered: its answer to the PING says
  // that it has (RFC 9113 section 6.8).
  nghttp2_submit_shutdown_notice(session());
  nghttp2_submit_ping(session(), NGHTTP2_FLAG_NONE, nullptr);
  settings_.linger_timeout->start(end_timer_);
  wants_work();
}

void ClientCodec::close_if_idle() {
  if (streams_.empty()) drain();
}

void ClientCodec::break_off() {
  if (connection_.open()) on_failure(0);
}

std::size_t ClientCodec::on_bytes(std::span<const char> bytes) {
  if (phase_ == Phase::lingering) {
    dropped_bytes_ += bytes.size();
    if (dropped_bytes_ > dropped_bytes_limit) connection_.pause_reading();
  }
  if (phase_ != Phase::open || cut_off_ || session_error_ != 0) return bytes.size();
  const std::size_t taken = feed(bytes);
  // Resets of requests beyond the streams agreed on, for one: nghttp2 bounds answers to PING and SETTINGS
  // only.
  if (nghttp2_session_get_outbound_queue_size(session()) > waiting_frames_limit + 4 * settings_.streams) {
    flood(Flood::unread_reply);
  }
  if (session_error_ == 0) tell_streams();
  update_timer();
  return cut_off_ ? bytes.size() : taken;
}

void ClientCodec::on_drained() {
  if (phase_ == Phase::open) {
    work();
  } else if (phase_ == Phase::lingering && connection_.queued_bytes() == 0) {
    linger();
  }
}

void ClientCodec::work() {
  if (phase_ != Phase::open) return;
  if (session_error_ != 0) return session_failed(session_error_);
  read_on();
  tell_streams();
  produce();
  tell_streams();
  if (phase_ != Phase::open) return;
  if (flooded_) return hold();
  if (session_error_ != 0) return session_failed(session_error_);
  if (all_said() || (half_closed_ && streams_.empty())) {
    finish();
  } else {
    update_timer();
  }
}

void ClientCodec::count_flood(Flood kind) {
  (*settings_.floods)[static_cast<std::size_t>(kind)].add();
}

void ClientCodec::punish() {
  cut_off_ = flooded_ = true;
  wants_work();
}

// ---- timers and the end

void ClientCodec::update_timer() {
  Wait wait = Wait::none;
  if (half_closed_) {
    wait = Wait::half_closed;
  } else if (block_stream_ != nullptr) {
    wait = Wait::head;
  } else if (streams_.empty()) {
    wait = Wait::idle;
  }
  if (wait == wait_) return;
  wait_ = wait;
  switch (wait) {
    case Wait::none:
      return timer_.stop();
    case Wait::head:
      return settings_.header_timeout->start(timer_);
    case Wait::idle:
      return settings_.keepalive_timeout->start(timer_);
    case Wait::half_closed:
      return settings_.half_close_grace->start(timer_);
  }
}

void ClientCodec::on_timeout() {
  switch (std::exchange(wait_, Wait::none)) {
    case Wait::head:
      if (block_stream_ != nullptr) head_timed_out(static_cast<ClientStream&>(*block_stream_));
      return;
    case Wait::idle:
      no_more_requests();
      return work();
    case Wait::half_closed:
      end_streams({.kind = StreamFailure::Kind::closed});
      return finish();
    case Wait::none:
      return;
  }
}

void ClientCodec::on_end_timeout() {
  if (phase_ == Phase::lingering) return close();
  if (phase_ == Phase::held) return throw_out(last_stream_id_);
  no_more_requests();  // the PING has not been answered
  work();
}

void ClientCodec::no_more_requests() {
  if (goodbye_said_ || phase_ != Phase::open) return;
  goodbye_said_ = true;
  nghttp2_submit_goaway(session(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  wants_work();
}

void ClientCodec::on_end() {
  half_closed_ = true;
  if (phase_ == Phase::open) return work();
  if (phase_ == Phase::lingering && connection_.queued_bytes() == 0) close();
}

void ClientCodec::on_failure(int system_error) {
  const auto kind = system_error == ETIMEDOUT ? StreamFailure::Kind::stalled : StreamFailure::Kind::closed;
  end_streams({.kind = kind, .system_error = system_error});
  close();
}

void ClientCodec::session_failed(int error) {
  if (error == NGHTTP2_ERR_FLOODED) flood(Flood::unread_reply);
  const bool no_preface = error == NGHTTP2_ERR_BAD_CLIENT_MAGIC;
  if (flooded_ || (no_preface && !tolerates(NGHTTP2_PROTOCOL_ERROR))) return hold();
  if (no_preface) produce_frames();  // our SETTINGS come first, whatever follows
  end_code_ = no_preface ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_INTERNAL_ERROR;
  throw_out(nghttp2_session_get_last_proc_stream_id(session()));
}

/// A client that floods would be back at once, and cost as much again: it waits, and nothing of it is read,
/// so that it can't even send.
void ClientCodec::hold() {
  phase_ = Phase::held;
  timer_.stop();
  connection_.pause_reading();
  end_streams({.kind = StreamFailure::Kind::closed});
  last_stream_id_ = nghttp2_session_get_last_proc_stream_id(session());
  block_.clear();
  session_.reset();  // attackers who don't wait, but come again and again, leave little behind
  settings_.flood_penalty->start(end_timer_);
}

/// For when the session can't say it any more.
void ClientCodec::throw_out(std::int32_t last_stream_id) {
  say_goodbye(last_stream_id, end_code_);
  finish();
}

void ClientCodec::finish() {
  if (phase_ != Phase::open && phase_ != Phase::held) return;
  const bool listen = phase_ == Phase::open;
  phase_ = Phase::lingering;
  timer_.stop();
  end_timer_.stop();
  end_streams({.kind = StreamFailure::Kind::closed});
  connection_.flush();
  if (!connection_.open()) return;
  if (half_closed_ && connection_.queued_bytes() == 0) return close();
  connection_.end_writing();
  if (listen) connection_.resume_reading();
  if (connection_.queued_bytes() == 0) linger();
}

void ClientCodec::linger() {
  if (half_closed_) {
    close();
  } else {
    settings_.linger_timeout->start(end_timer_);
  }
}

void ClientCodec::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  cancel();
  timer_.stop();
  end_timer_.stop();
  connection_.close();
  end_streams({.kind = StreamFailure::Kind::closed});
  acceptor_.on_connection_closed();
}

}  // namespace azulb::http2
