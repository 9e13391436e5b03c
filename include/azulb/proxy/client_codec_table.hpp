// Which codec speaks with a client. The one place outside the codecs' own layers that knows the protocols by
// name: everything else sees streams (http/stream.hpp) and http::ClientCodec.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/random.hpp"
#include "azulb/base/slab.hpp"
#include "azulb/config/config.hpp"
#include "azulb/http/client_codec.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http1/client_codec.hpp"
#include "azulb/http1/client_habit.hpp"
#include "azulb/http1/codec_scratch.hpp"
#include "azulb/http2/client_codec.hpp"
#include "azulb/http2/codec_scratch.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/upstream/server_codec_table.hpp"

namespace azulb::proxy {

/// The names in ALPN of what a listener's clients may speak, the preferred first.
std::vector<std::string> application_protocols(const config::Listener& listener);

/// What the codecs of one worker share.
struct WorkerCodecs {
  WorkerCodecs();
  /// Makes room for the largest limits of these listeners. Not from within a codec.
  void fit(const config::Config& config);
  http1::CodecScratch http1;
  http2::CodecScratch http2;
  base::Slab<http2::ClientCodec> http2_codecs;
  upstream::ServerCodecs servers{http1, http2};
};

/// What the codecs of one listener's connections share, on one worker.
struct ListenerCodecs {
  /// Everything passed outlives this.
  ListenerCodecs(WorkerCodecs& worker, net::Loop& loop, const config::Listener& listener,
                 base::Random& random, http::FloodCounters& floods);
  /// Other limits and timeouts for the same listener: open connections go by them, too, from their next head
  /// or timer on.
  void update(const config::Listener& listener, http::FloodCounters& floods);

  WorkerCodecs& worker;
  net::Loop& loop;
  http1::ClientHabit habit;
  http2::FloodGuard guard;
  http1::ClientCodecSettings http1;
  http2::ClientCodecSettings http2;
  bool http2_wanted = true;

  /// The same for all protocols.
  net::TimerList& header_timeout() const { return *http1.header_timeout; }
  net::TimerList& linger_timeout() const { return *http1.linger_timeout; }
};

/// The place of one connection's codec. HTTP/1's stands ready in it, as most clients begin with that; an idle
/// one costs nothing for what else there is.
class ClientCodecSlot final : private net::ConnectionHandler {
 public:
  ClientCodecSlot(net::Connection& connection, ListenerCodecs& codecs, http::StreamAcceptor& acceptor)
      : codecs_(codecs), http1_(connection, codecs.worker.http1, codecs.http1, acceptor) {}
  ~ClientCodecSlot() override;

  /// Told of the connection's bytes until `start`.
  net::ConnectionHandler& handler() { return *this; }
  /// The connection has been adopted, and nothing says which protocol it speaks: its first bytes do.
  void start();
  /// It is known to speak `protocol`, by its name in ALPN: "h2", or "http/1.1" and everything else. Before a
  /// byte has been read.
  void start(std::string_view protocol);
  http::ClientCodec& codec() { return *codec_; }

 private:
  // Until the first bytes have told.
  std::size_t on_bytes(std::span<const char> bytes) override;
  void on_end() override { http1_.on_end(); }
  void on_failure(int system_error) override { http1_.on_failure(system_error); }
  void on_drained() override { http1_.on_drained(); }
  http2::ClientCodec& start_http2();

  ListenerCodecs& codecs_;
  http::ClientCodec* codec_ = &http1_;  // or an http2::ClientCodec
  http1::ClientCodec http1_;
};

}  // namespace azulb::proxy
