// Waiting for names, where there is nothing to serve yet.
#pragma once

#include <chrono>
#include <functional>

#include "azulb/config/config.hpp"
#include "azulb/discovery/discovery.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::daemon {

using namespace std::chrono_literals;

/// For how long a start, or a reload, waits for names; what has not been answered by then comes later.
inline constexpr auto resolve_limit = 4s;

/// Turns the loop until all has been tried once, `resolve_limit` is over, or `interrupted`.
void settle(net::Loop& loop, discovery::Discovery& discovery, const std::function<bool()>& interrupted);

/// For commands that serve nothing: all servers as of now. Logs a warning for each name that does not resolve
/// and each server file that cannot be read.
discovery::ServerLists look_up_servers(const config::Config& config);

}  // namespace azulb::daemon
