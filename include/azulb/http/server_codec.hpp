// What the keeper of a connection to a server may ask of its codec, whichever protocol that speaks, and what
// it is told. What streams carry goes by the interfaces of stream.hpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "azulb/http/stream.hpp"

namespace azulb::http {

/// Told of a connection that was begun with `connect`. None of these is called from within a call to the
/// codec; each may break the connection off.
class ServerCodecOwner {
 public:
  virtual ~ServerCodecOwner() = default;
  /// Bytes can be sent, and none have been: what goes ahead of everything (a PROXY header) is written now.
  virtual void write_preamble() = 0;
  /// The connection takes streams.
  virtual void on_connected() = 0;
  /// It never will: an errno value, EPROTO where the peer is there but TLS or the protocol failed.
  virtual void on_connect_failure(int system_error) = 0;
  /// While no stream is open: the server closed the connection, broke it or spoke out of turn; or it has
  /// taken the last bytes of a tunnel that was detached. It must not be used again.
  virtual void on_idle_end() = 0;
  /// While streams may be open: `capacity` or `checking` may say something else than before.
  virtual void on_capacity_changed() {}
};

/// Single-threaded. No call here calls back.
class ServerCodec {
 public:
  virtual ~ServerCodec() = default;

  /// Opens a stream; there is room for it. `reader` must live until the stream has ended, failed or been
  /// closed. The writer stays valid until `close_stream`.
  virtual StreamWriter& open_stream(StreamReader& reader) = 0;

  enum class Rest : std::uint8_t {
    usable,    // the connection can carry another stream
    used_up,   // no further one
    flushing,  // nor that, but the server has not taken a tunnel's last bytes yet: `on_idle_end` follows
  };
  /// The stream's user goes; what has not ended both ways is broken off. Null: none was opened.
  virtual Rest close_stream(StreamWriter* stream) = 0;

  /// How many streams it can carry at once, those under way included; 0: no further one may be opened.
  virtual std::uint32_t capacity() const = 0;
  /// Provably no part of the request has been acted upon by the server: no byte of it has left, or the server
  /// says so. Also of a stream that has failed.
  virtual bool unprocessed(const StreamWriter& stream) const = 0;

  /// How long the server says it keeps an idle connection, in seconds; 0 = it does not say.
  virtual std::uint32_t idle_hint_s() const { return 0; }
  /// What failed, after EPROTO; empty if that was TLS, whose session knows.
  virtual std::string_view failure() const { return {}; }

  // Of a connection that carries several streams, so that few are made:
  /// The server has been heard of within the last second.
  virtual bool heard_lately() const { return false; }
  /// Asks the server for a sign of life; false if that can't be. `on_capacity_changed` or the connection's
  /// end follows.
  virtual bool check() { return false; }
  /// The answer has not come yet.
  virtual bool checking() const { return false; }
  /// The server takes WebSockets.
  virtual bool takes_websocket() const { return true; }

  /// Ends the connection at once, with whatever is under way on it. Nothing is told.
  virtual void break_off() = 0;
};

}  // namespace azulb::http
