#include "demo_websocket.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "azulb/net/connection.hpp"

namespace azulb::daemon {

WebsocketEcho::WebsocketEcho(admin::LocalExchange& exchange) : exchange_(exchange) {
  wslay_event_callbacks callbacks{};
  callbacks.recv_callback = [](wslay_event_context* context, std::uint8_t* out, std::size_t capacity, int,
                               void* self) {
    const ssize_t taken = static_cast<WebsocketEcho*>(self)->take_input(out, capacity);
    if (taken < 0) wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    return taken;
  };
  callbacks.send_callback = [](wslay_event_context* context, const std::uint8_t* bytes, std::size_t size, int,
                               void* self) {
    const ssize_t taken = static_cast<WebsocketEcho*>(self)->take_output(bytes, size);
    if (taken < 0) wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    return taken;
  };
  callbacks.on_msg_recv_callback = [](wslay_event_context*, const wslay_event_on_msg_recv_arg* message,
                                      void* self) {
    static_cast<WebsocketEcho*>(self)->take_message(*message);
  };
  wslay_event_context* context = nullptr;
  if (wslay_event_context_server_init(&context, &callbacks, this) != 0) throw std::bad_alloc();
  context_.reset(context);
  wslay_event_config_set_max_recv_msg_length(context, message_limit_bytes);
}

void WebsocketEcho::on_bytes(std::span<const char> bytes) {
  input_ = bytes;
  const int status = wslay_event_recv(context_.get());
  input_ = {};
  if (status == WSLAY_ERR_NOMEM) {
    exchange_.abort();
    return;
  }
  broken_ = status != 0;  // a malformed frame: wslay has queued the close frame that says so
  send();
}

ssize_t WebsocketEcho::take_input(std::uint8_t* out, std::size_t capacity) {
  if (input_.empty()) return -1;
  const std::size_t size = std::min(capacity, input_.size());
  std::memcpy(out, input_.data(), size);
  input_ = input_.subspan(size);
  return static_cast<ssize_t>(size);
}

ssize_t WebsocketEcho::take_output(const std::uint8_t* bytes, std::size_t size) {
  if (output_.size() >= net::queue_high_bytes) return -1;
  size = std::min(size, net::queue_high_bytes - output_.size());
  output_.append(reinterpret_cast<const char*>(bytes), size);
  return static_cast<ssize_t>(size);
}

void WebsocketEcho::take_message(const wslay_event_on_msg_recv_arg& message) {
  if (message.opcode != WSLAY_TEXT_FRAME && message.opcode != WSLAY_BINARY_FRAME) return;
  const wslay_event_msg echo{message.opcode, message.msg, message.msg_length};
  // wslay copies it. It refuses only after a close, when nothing may be sent any more.
  wslay_event_queue_msg(context_.get(), &echo);
}

void WebsocketEcho::send() {
  for (;;) {
    if (output_.empty() && wslay_event_send(context_.get()) != 0) {
      exchange_.abort();
      return;
    }
    if (output_.empty()) break;
    if (!exchange_.write(output_)) {
      if (!paused_) exchange_.pause_reading();
      paused_ = true;
      return;
    }
    output_.clear();
  }
  output_.shrink_to_fit();  // an idle echo holds no buffer
  if (paused_) exchange_.resume_reading();
  paused_ = false;
  // Both close frames have gone their way, or ours has after the client broke a rule.
  const bool closed =
      wslay_event_want_read(context_.get()) == 0 && wslay_event_want_write(context_.get()) == 0;
  if (broken_ || closed) exchange_.end();
}

}  // namespace azulb::daemon
