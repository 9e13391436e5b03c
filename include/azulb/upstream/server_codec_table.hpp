// Which codec speaks with a server. The one place outside the codecs' own layers, on this side, that knows
// the protocols by name: pools and probes see http::ServerCodec and streams.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "azulb/config/config.hpp"
#include "azulb/http/server_codec.hpp"
#include "azulb/http1/codec_scratch.hpp"
#include "azulb/http1/server_codec.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::upstream {

/// The names in ALPN of what servers are spoken to in.
std::vector<std::string> application_protocols();

/// Fields that a server's head may have: what the scratches below need room for.
inline constexpr std::size_t response_fields_limit = http1::response_head_limits.fields;

/// What the codecs of one loop share. What is passed outlives it, and may be shared with the loop's other
/// codecs.
struct ServerCodecs {
  http1::CodecScratch& http1;
};

/// The place of one connection's codec.
class ServerCodecSlot {
 public:
  ServerCodecSlot(net::Connection& connection, ServerCodecs& codecs, http::ServerCodecOwner& owner)
      : http1_(connection, codecs.http1, owner) {}

  /// Told of the connection's bytes.
  net::ConnectionHandler& handler() { return http1_; }
  http::ServerCodec& codec() { return http1_; }
  const http::ServerCodec& codec() const { return http1_; }

 private:
  http1::ServerCodec http1_;
};

}  // namespace azulb::upstream
