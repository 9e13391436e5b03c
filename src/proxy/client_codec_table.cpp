#include "azulb/proxy/client_codec_table.hpp"

#include <algorithm>
#include <chrono>

namespace azulb::proxy {
namespace {

using namespace std::chrono_literals;

// After its last response a client has this long to end its side, and its leftover bytes are dropped.
constexpr auto linger_duration = 2s;
// A client that has ended its side may still read: it gets an answer that comes within this time.
constexpr auto half_close_grace = 500ms;

// A client that has flooded a connection waits so long for the end of it.
constexpr auto flood_penalty = 1s;

// Names in ALPN (RFC 7301, RFC 9113 section 3.1).
constexpr std::string_view http1_protocol = "http/1.1";
constexpr std::string_view http2_protocol = "h2";

// Of the preface, what HTTP/1's parser takes for the start of a request: "PRI * HTTP/".
constexpr std::size_t unrevealing_bytes = 11;

/// What can be no request of HTTP/1 in anybody's eyes: three words of capitals alone, of which so none is a
/// target or its version. Or the preface's first line, with something wrong behind it.
bool begins_other_protocol(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) return false;
  if (http2::client_preface.starts_with(bytes.substr(0, end + 2))) return true;
  const std::string_view line = bytes.substr(0, end);
  return line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ ") == std::string_view::npos &&
         std::count(line.begin(), line.end(), ' ') == 2;
}

std::size_t largest_field_limit(const config::Config& config) {
  std::size_t limit = http1::response_head_limits.fields;
  for (const config::Listener& listener : config.listeners) {
    limit = std::max<std::size_t>(limit, listener.limit.headers);
  }
  return limit;
}

}  // namespace

std::vector<std::string> application_protocols(const config::Listener& listener) {
  if (!listener.http2) return {std::string(http1_protocol)};
  return {std::string(http2_protocol), std::string(http1_protocol)};
}

WorkerCodecs::WorkerCodecs()
    : http1(http1::response_head_limits.fields), http2(http1::response_head_limits.fields) {}

void WorkerCodecs::fit(const config::Config& config) {
  const std::size_t limit = largest_field_limit(config);
  http1.grow(limit);
  http2.grow(limit);
}

ListenerCodecs::ListenerCodecs(WorkerCodecs& worker_codecs, net::Loop& its_loop,
                               const config::Listener& listener, base::Random& random,
                               http::FloodCounters& floods)
    : worker(worker_codecs), loop(its_loop) {
  http1.linger_timeout = &loop.timers().list(linger_duration);
  http1.half_close_grace = &loop.timers().list(half_close_grace);
  http1.habit = &habit;
  http2.linger_timeout = http1.linger_timeout;
  http2.half_close_grace = http1.half_close_grace;
  http2.flood_penalty = &loop.timers().list(flood_penalty);
  http2.shared_guard = &guard;
  http2.random = &random;
  update(listener, floods);
}

void ListenerCodecs::update(const config::Listener& listener, http::FloodCounters& floods) {
  net::TimerQueue& timers = loop.timers();
  http1.limits = {.start_line_bytes = listener.limit.request_line,
                  .header_bytes = listener.limit.header_bytes,
                  .fields = listener.limit.headers};
  http1.header_timeout = &timers.list(listener.timeout.header);
  http1.keepalive_timeout = &timers.list(listener.timeout.keepalive);
  http2.limits = {.request_line_bytes = listener.limit.request_line,
                  .header_bytes = listener.limit.header_bytes,
                  .fields = listener.limit.headers};
  http2.streams = listener.limit.http2_streams;
  http2.header_timeout = http1.header_timeout;
  http2.keepalive_timeout = http1.keepalive_timeout;
  http2.send_timeout = &timers.list(listener.timeout.send);
  http2.floods = &floods;
  http2_wanted = listener.http2;
}

ClientCodecSlot::~ClientCodecSlot() {
  if (codec_ != &http1_) codecs_.worker.http2_codecs.destroy(static_cast<http2::ClientCodec&>(*codec_));
}

void ClientCodecSlot::start() {
  if (!codecs_.http2_wanted) return start(http1_protocol);
  http1_.start();
}

void ClientCodecSlot::start(std::string_view protocol) {
  if (protocol == http2_protocol && codecs_.http2_wanted) {
    start_http2();
    return;
  }
  http1_.connection().set_handler(http1_);
  http1_.start();
}

http2::ClientCodec& ClientCodecSlot::start_http2() {
  http2::ClientCodec& codec = codecs_.worker.http2_codecs.create(http1_.connection(), codecs_.worker.http2,
                                                                 codecs_.http2, http1_.acceptor());
  codec_ = &codec;
  http1_.connection().set_handler(codec);
  codec.start();
  if (http1_.draining()) codec.drain();
  return codec;
}

std::size_t ClientCodecSlot::on_bytes(std::span<const char> bytes) {
  // The preface was made to look like no request of HTTP/1 (RFC 9113 section 3.4). What only may become it is
  // HTTP/1's: its head timeout runs, and nothing is consumed.
  constexpr std::string_view preface = http2::client_preface;
  const std::string_view begin(bytes.data(), std::min(bytes.size(), preface.size()));
  const bool may_be_preface = preface.starts_with(begin);
  if (http1_.untouched() && !may_be_preface &&
      begins_other_protocol(std::string_view(bytes.data(), bytes.size()))) {
    // An invalid preface (RFC 9113 section 3.4): HTTP/2 says so, and a client of HTTP/1 it is not.
    http1_.retire();
    return start_http2().on_bytes(bytes);
  }
  if (!may_be_preface || !http1_.untouched()) {
    http1_.connection().set_handler(http1_);
    return http1_.on_bytes(bytes);
  }
  if (begin.size() == preface.size()) {
    http1_.retire();
    return start_http2().on_bytes(bytes);
  }
  // It would refuse the version; up to that the beginning could be that of a request.
  http1_.on_bytes(bytes.first(std::min(bytes.size(), unrevealing_bytes)));
  return 0;
}

}  // namespace azulb::proxy
