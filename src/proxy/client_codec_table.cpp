#include "azulb/proxy/client_codec_table.hpp"

#include <algorithm>
#include <chrono>

namespace azulb::proxy {
namespace {

using namespace std::chrono_literals;

// After its last response a client has this long to end its side, and its leftover bytes are dropped.
constexpr auto linger_timeout = 2s;
// A client that has ended its side may still read: it gets an answer that comes within this time.
constexpr auto half_close_grace = 500ms;

std::size_t largest_field_limit(const config::Config& config) {
  std::size_t limit = http1::response_head_limits.fields;
  for (const config::Listener& listener : config.listeners) {
    limit = std::max<std::size_t>(limit, listener.limit.headers);
  }
  return limit;
}

}  // namespace

WorkerCodecs::WorkerCodecs(const config::Config& config) : http1(largest_field_limit(config)) {}

ListenerCodecs::ListenerCodecs(WorkerCodecs& worker_codecs, net::Loop& loop, const config::Listener& listener)
    : worker(worker_codecs),
      http1{.limits = {.start_line_bytes = listener.limit.request_line,
                       .header_bytes = listener.limit.header_bytes,
                       .fields = listener.limit.headers},
            .header_timeout = &loop.timers().list(listener.timeout.header),
            .keepalive_timeout = &loop.timers().list(listener.timeout.keepalive),
            .linger_timeout = &loop.timers().list(linger_timeout),
            .half_close_grace = &loop.timers().list(half_close_grace),
            .habit = &habit} {}

}  // namespace azulb::proxy
