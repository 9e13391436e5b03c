#include "azulb/upstream/server_codec_table.hpp"

#include <chrono>

namespace azulb::upstream {
namespace {

using namespace std::chrono_literals;

// While answers are awaited and nothing comes: how long until the server is asked whether it is there, and
// how long it has to say so.
constexpr auto silence_limit = 5s;

}  // namespace

std::vector<std::string> application_protocols(config::Protocol protocol) {
  return {protocol == config::Protocol::http2 ? "h2" : "http/1.1"};
}

ServerCodecSettings::ServerCodecSettings(config::Protocol spoken, net::TimerQueue& timers,
                                         net::TimerList* send_timeout, http::FloodCounters* floods)
    : protocol(spoken),
      http2{.send_timeout = send_timeout, .silence_timeout = &timers.list(silence_limit), .floods = floods} {}

ServerCodecSlot::ServerCodecSlot(net::Connection& connection, ServerCodecs& codecs,
                                 const ServerCodecSettings& settings, http::ServerCodecOwner& owner)
    : codecs_(codecs), http1_(connection, codecs.http1, owner) {
  if (settings.protocol != config::Protocol::http2) return;
  http2_ = &codecs.http2_codecs.create(connection, codecs.http2, settings.http2, owner);
  codec_ = http2_;
}

ServerCodecSlot::~ServerCodecSlot() {
  if (http2_ != nullptr) codecs_.http2_codecs.destroy(*http2_);
}

}  // namespace azulb::upstream
