// What the owner of a client's connection may ask of its codec, whichever protocol that speaks. Streams come
// and go by the interfaces of stream.hpp.
#pragma once

namespace azulb::http {

/// Single-threaded. None of these calls back the StreamAcceptor's `open_stream`.
class ClientCodec {
 public:
  virtual ~ClientCodec() = default;

  /// The connection has been adopted: waits for the first request.
  virtual void start() = 0;
  /// Takes on no more than the client must be allowed to have begun, and closes the connection after that.
  virtual void drain() = 0;
  /// As drain, where there is time: one that is idle stays open, for a request that may be on its way, which
  /// is its last.
  virtual void wind_down() = 0;
  /// As drain, where nothing is under way: other connections are left as they are.
  virtual void close_if_idle() = 0;
  /// Ends the connection at once, with whatever is under way on it.
  virtual void break_off() = 0;
};

}  // namespace azulb::http
