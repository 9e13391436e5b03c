// Which codec speaks with a client. The one place outside the codecs' own layers that knows the protocols by
// name: everything else sees streams (http/stream.hpp) and http::ClientCodec.
#pragma once

#include "azulb/config/config.hpp"
#include "azulb/http/client_codec.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http1/client_codec.hpp"
#include "azulb/http1/client_habit.hpp"
#include "azulb/http1/codec_scratch.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::proxy {

/// What the codecs of one worker share.
struct WorkerCodecs {
  explicit WorkerCodecs(const config::Config& config);
  http1::CodecScratch http1;
};

/// What the codecs of one listener's connections share, on one worker.
struct ListenerCodecs {
  ListenerCodecs(WorkerCodecs& worker, net::Loop& loop, const config::Listener& listener);

  WorkerCodecs& worker;
  http1::ClientHabit habit;
  http1::ClientCodecSettings http1;
};

/// The place of one connection's codec.
class ClientCodecSlot {
 public:
  ClientCodecSlot(net::Connection& connection, ListenerCodecs& codecs, http::StreamAcceptor& acceptor)
      : http1_(connection, codecs.worker.http1, codecs.http1, acceptor) {}

  /// Told of the connection's bytes until `start`.
  net::ConnectionHandler& handler() { return http1_; }
  /// The connection has been adopted.
  void start() { codec().start(); }
  http::ClientCodec& codec() { return http1_; }

 private:
  http1::ClientCodec http1_;
};

}  // namespace azulb::proxy
