// The connection's life: reading, telling, sending, and its end.
#include "azulb/http2/client_codec.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include "azulb/base/assert.hpp"

namespace azulb::http2 {

using http::Flood;
using http::StreamFailure;

namespace {

// What may be on its way to us over all streams; each alone has 65,535 bytes, the protocol's initial window.
constexpr std::int32_t connection_window_bytes = 1024 * 1024;
// What is kept for paused streams before they hold up the connection.
constexpr std::size_t held_bytes_limit = 1024 * 1024;
// Frames that wait to be sent besides bodies: four for each stream (heads, a window, a reset), and these.
constexpr std::size_t waiting_frames_limit = 4096;

std::array<char, 17> goaway_frame(std::int32_t last_stream_id, std::uint32_t error_code) {
  std::array<char, 17> frame{0, 0, 8, NGHTTP2_GOAWAY};
  for (unsigned i = 0; i < 4; ++i) {
    frame[9 + i] = static_cast<char>(static_cast<std::uint32_t>(last_stream_id) >> (24 - 8 * i));
    frame[13 + i] = static_cast<char>(error_code >> (24 - 8 * i));
  }
  return frame;
}

}  // namespace

ClientCodec::ClientCodec(net::Connection& connection, CodecScratch& scratch,
                         const ClientCodecSettings& settings, http::StreamAcceptor& acceptor)
    : connection_(connection),
      scratch_(scratch),
      settings_(settings),
      acceptor_(acceptor),
      session_(make_server_session(*this)) {}

ClientCodec::~ClientCodec() {
  AZULB_ASSERT(streams_.empty());
}

void ClientCodec::start() {
  const auto header_list_bytes =
      static_cast<std::uint32_t>(settings_.limits.header_bytes + settings_.limits.request_line_bytes);
  const std::array<nghttp2_settings_entry, 4> entries = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings_.streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, header_list_bytes},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, connection_window_bytes);
  update_timer();
  wants_work();
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

void ClientCodec::break_off() {
  if (connection_.open()) on_failure(0);
}

std::size_t ClientCodec::on_bytes(std::span<const char> bytes) {
  if (phase_ != Phase::open || cut_off_) return bytes.size();
  receiving_ = true;
  const int status = receive(bytes);
  receiving_ = false;
  // Resets of requests beyond the streams agreed on, for one: nghttp2 bounds answers to PING and SETTINGS
  // only.
  if (nghttp2_session_get_outbound_queue_size(session()) > waiting_frames_limit + 4 * settings_.streams) {
    flood(Flood::unread_reply);
  }
  if (status < 0) {
    session_failed(status);
    return bytes.size();
  }
  tell_streams();
  update_timer();
  wants_work();  // what all this led to leaves in one write, at the end of the turn
  return bytes.size();
}

int ClientCodec::receive(std::span<const char> bytes) {
  while (!bytes.empty() && !cut_off_) {
    const std::size_t run = scanner_.scan(bytes);
    if (run > 0) {
      const ssize_t status =
          nghttp2_session_mem_recv(session(), reinterpret_cast<const std::uint8_t*>(bytes.data()), run);
      if (status < 0) return static_cast<int>(status);
    }
    if (scanner_.found() && !cut_off_) judge_frame(scanner_.frame());
    bytes = bytes.subspan(run);
  }
  return 0;
}

void ClientCodec::on_deferred() {
  work();
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
  tell_streams();
  produce();
  tell_streams();
  if (phase_ != Phase::open) return;
  const bool all_said =
      nghttp2_session_want_read(session()) == 0 && nghttp2_session_want_write(session()) == 0;
  if (all_said || (half_closed_ && streams_.empty())) {
    finish();
  } else {
    update_timer();
  }
}

void ClientCodec::tell_streams() {
  while (!to_tell_.empty()) {
    ClientStream& stream = to_tell_.pop_front();
    stream.tell();
    if (!stream.over()) continue;
    forget(stream);
  }
}

void ClientCodec::forget(ClientStream& stream) {
  stream.base::ListNode<OpenStreams>::unlink();
  stream.base::ListNode<StreamsToTell>::unlink();
  stream.base::ListNode<StreamsToSend>::unlink();
  stream.retire();
}

void ClientCodec::produce() {
  if (receiving_ || producing_ || phase_ != Phase::open) return;
  producing_ = true;
  const int status = produce_frames();
  if (std::exchange(taken_by_reference_, false)) connection_.flush();
  to_send_.for_each([](ClientStream& stream) { stream.output_settled(); });
  producing_ = false;
  if (status < 0) session_failed(status);
}

int ClientCodec::produce_frames() {
  for (;;) {
    if (connection_.queued_bytes() > net::queue_high_bytes) {
      connection_.flush();
      if (connection_.queued_bytes() > net::queue_high_bytes) return 0;  // on_drained goes on
    }
    const std::uint8_t* frame = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session(), &frame);
    if (size <= 0) return static_cast<int>(size);
    const auto size_bytes = static_cast<std::size_t>(size);
    std::memcpy(connection_.write_scratch(size_bytes).data(), frame, size_bytes);
    connection_.commit_scratch(size_bytes);
  }
}

int ClientCodec::send_body(ClientStream& stream, const std::uint8_t* frame_head, std::size_t size_bytes) {
  constexpr std::size_t frame_head_bytes = 9;
  constexpr std::size_t copied_bytes = 2048;  // as much as goes into one part with the frame's head
  const std::span<const char> body = stream.take_body(size_bytes);
  const bool copied = size_bytes <= copied_bytes;
  const std::size_t in_place = frame_head_bytes + (copied ? size_bytes : 0);
  char* to = connection_.write_scratch(in_place).data();
  std::memcpy(to, frame_head, frame_head_bytes);
  if (copied && size_bytes > 0) std::memcpy(to + frame_head_bytes, body.data(), size_bytes);
  connection_.commit_scratch(in_place);
  if (copied) return 0;
  connection_.write(body);
  taken_by_reference_ = true;
  return 0;
}

void ClientCodec::to_tell(ClientStream& stream) {
  if (!stream.base::ListNode<StreamsToTell>::linked()) to_tell_.push_back(stream);
  wants_work();
}

void ClientCodec::to_send(ClientStream& stream) {
  if (!stream.base::ListNode<StreamsToSend>::linked()) to_send_.push_back(stream);
  wants_work();
}

void ClientCodec::body_held(std::size_t size_bytes) {
  held_bytes_ += size_bytes;
  if (held_bytes_ <= held_bytes_limit) {
    body_taken(size_bytes);
  } else {
    unconsumed_bytes_ += size_bytes;
  }
}

void ClientCodec::held_body_taken(std::size_t size_bytes) {
  held_bytes_ -= size_bytes;
  if (held_bytes_ <= held_bytes_limit && unconsumed_bytes_ > 0)
    body_taken(std::exchange(unconsumed_bytes_, 0));
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
      if (block_stream_ != nullptr) head_timed_out(*block_stream_);
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
  std::uint32_t code = NGHTTP2_INTERNAL_ERROR;
  if (error == NGHTTP2_ERR_FLOODED) {
    (*settings_.floods)[static_cast<std::size_t>(Flood::unread_reply)].add();
    code = NGHTTP2_ENHANCE_YOUR_CALM;
  } else if (error == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    code = NGHTTP2_PROTOCOL_ERROR;
  }
  // The session can't say it any more.
  const auto frame = goaway_frame(nghttp2_session_get_last_proc_stream_id(session()), code);
  connection_.write(frame);
  connection_.flush();
  finish();
}

void ClientCodec::end_streams(const StreamFailure& failure) {
  block_stream_ = nullptr;
  while (!streams_.empty()) {
    ClientStream& stream = streams_.front();
    stream.base::ListNode<OpenStreams>::unlink();
    stream.end_with_connection(failure);
    forget(stream);
  }
}

void ClientCodec::finish() {
  if (phase_ != Phase::open) return;
  phase_ = Phase::lingering;
  timer_.stop();
  end_timer_.stop();
  end_streams({.kind = StreamFailure::Kind::closed});
  connection_.flush();
  if (!connection_.open()) return;
  if (half_closed_ && connection_.queued_bytes() == 0) return close();
  connection_.end_writing();
  connection_.resume_reading();
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
