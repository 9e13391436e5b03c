// The demo's WebSocket echo. wslay knows the frames; this carries bytes between it and the exchange.
#pragma once

#include <wslay/wslay.h>

#include <memory>
#include <span>
#include <string>

#include "azulb/admin/local_server.hpp"

namespace azulb::daemon {

/// Sends every text and binary message back. Pings are answered, and a broken rule of RFC 6455 is told in the
/// close frame (wslay does both). A client that does not read is not read from.
class WebsocketEcho final : public admin::LocalStream {
 public:
  static constexpr std::size_t message_limit_bytes = 1 << 20;  // past it close code 1009

  /// Throws std::bad_alloc if wslay gets no memory.
  explicit WebsocketEcho(admin::LocalExchange& exchange);

  void on_bytes(std::span<const char> bytes) override;
  void on_end() override { exchange_.end(); }
  void on_writable() override { send(); }
  void on_closed() override {}

 private:
  struct ContextDeleter {
    void operator()(wslay_event_context* context) const { wslay_event_context_free(context); }
  };

  ssize_t take_input(std::uint8_t* out, std::size_t capacity);
  ssize_t take_output(const std::uint8_t* bytes, std::size_t size);
  void take_message(const wslay_event_on_msg_recv_arg& message);
  void send();

  admin::LocalExchange& exchange_;
  std::unique_ptr<wslay_event_context, ContextDeleter> context_;
  std::span<const char> input_;  // of the call of on_bytes that runs
  std::string output_;           // what wslay has to say and the exchange has not taken
  bool paused_ = false;
  bool broken_ = false;
};

}  // namespace azulb::daemon
