// Where the listeners of a configuration listen.
#pragma once

#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/daemon/inherited_sockets.hpp"
#include "azulb/net/listening_socket.hpp"

namespace azulb::daemon {

/// Of one address: a socket for each worker, or a shared one alone.
using AddressSockets = std::vector<net::BoundSocket>;
using ListenerSockets = std::vector<AddressSockets>;

/// The addresses' sockets in their order: inherited ones where they fit, else newly bound. Blocking: resolves
/// names. Errors name the listener and the remedy.
base::Result<ListenerSockets> bind_listener(const config::Listener& listener, unsigned workers,
                                            InheritedSockets& inherited);

}  // namespace azulb::daemon
