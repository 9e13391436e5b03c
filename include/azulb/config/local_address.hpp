#pragma once

#include "azulb/base/address.hpp"

namespace azulb::config {

/// Reachable from this machine alone: a unix socket, localhost or a loopback address. Any thread.
bool is_local_address(const base::HostPort& address);

}  // namespace azulb::config
