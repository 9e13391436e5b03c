#include "azulb/daemon/name_resolution.hpp"

#include <algorithm>

#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"

namespace azulb::daemon {

void settle(net::Loop& loop, discovery::Discovery& discovery, const std::function<bool()>& interrupted) {
  const std::int64_t end_ms =
      base::monotonic_ms() + std::chrono::duration_cast<std::chrono::milliseconds>(resolve_limit).count();
  while (!discovery.settled() && !interrupted()) {
    const std::int64_t left_ms = end_ms - base::monotonic_ms();
    if (left_ms <= 0) break;
    loop.run_once(std::chrono::milliseconds(left_ms));
  }
  discovery.settle_now();
}

discovery::ServerLists look_up_servers(const config::Config& config) {
  static_cast<void>(base::open_log({.level = base::LogLevel::warn, .output = "stderr", .json = false}));
  net::Loop loop;
  discovery::Discovery discovery(loop, [] {});
  discovery.configure(config.upstreams);
  settle(loop, discovery, [] { return false; });
  return discovery.lists();
}

}  // namespace azulb::daemon
