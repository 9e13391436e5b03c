// Which codec speaks with a server. The one place outside the codecs' own layers, on this side, that knows
// the protocols by name: pools and probes see http::ServerCodec and streams.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "azulb/base/slab.hpp"
#include "azulb/config/config.hpp"
#include "azulb/http/flood.hpp"
#include "azulb/http/server_codec.hpp"
#include "azulb/http1/codec_scratch.hpp"
#include "azulb/http1/server_codec.hpp"
#include "azulb/http2/codec_scratch.hpp"
#include "azulb/http2/server_codec.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/timers.hpp"

namespace azulb::upstream {

/// The name in ALPN of what servers are spoken to in: one that does not choose it is not spoken to.
std::vector<std::string> application_protocols(config::Protocol protocol);

/// A connection may carry several streams at once.
constexpr bool shares_connections(config::Protocol protocol) {
  return protocol == config::Protocol::http2;
}

/// What the codecs of one loop share. What is passed outlives it, and may be shared with the loop's other
/// codecs.
struct ServerCodecs {
  http1::CodecScratch& http1;
  http2::CodecScratch& http2;
  base::Slab<http2::ServerCodec> http2_codecs{};
};

/// The same for a loop without other codecs.
struct OwnServerCodecs {
  http1::CodecScratch http1{http1::response_head_limits.fields};
  http2::CodecScratch http2{http2::response_head_limits.fields};
  ServerCodecs shared{http1, http2};
};

/// Of the connections to one server. Outlives them.
struct ServerCodecSettings {
  /// `send_timeout`: a stream must take bytes at least so often. `floods`: where they are counted, if
  /// anywhere.
  ServerCodecSettings(config::Protocol protocol, net::TimerQueue& timers, net::TimerList* send_timeout,
                      http::FloodCounters* floods = nullptr);

  const config::Protocol protocol;
  const http2::ServerCodecSettings http2;
};

/// The place of one connection's codec. HTTP/1's stands ready in it, as most servers speak that.
class ServerCodecSlot {
 public:
  ServerCodecSlot(net::Connection& connection, ServerCodecs& codecs, const ServerCodecSettings& settings,
                  http::ServerCodecOwner& owner);
  ServerCodecSlot(const ServerCodecSlot&) = delete;
  ServerCodecSlot& operator=(const ServerCodecSlot&) = delete;
  ~ServerCodecSlot();

  /// Told of the connection's bytes.
  net::ConnectionHandler& handler() {
    if (http2_ != nullptr) return *http2_;
    return http1_;
  }
  http::ServerCodec& codec() { return *codec_; }
  const http::ServerCodec& codec() const { return *codec_; }

 private:
  ServerCodecs& codecs_;
  http1::ServerCodec http1_;
  http2::ServerCodec* http2_ = nullptr;
  http::ServerCodec* codec_ = &http1_;
};

}  // namespace azulb::upstream
