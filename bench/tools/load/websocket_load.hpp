#pragma once

#include "load/results.hpp"

namespace azulb::bench {

// Mode websocket_echo: once all connections are open, each sends a message and, when its echo is back and
// equal, the next. A "request" is one message and its echo.
Results run_websocket_echo(const Options& options);

// Mode websocket_idle: opens all connections, prints {"open":N} on a line of its own, holds them until
// standard input ends, then has each echo one message to show that it still lives. Requests counts those.
Results run_websocket_idle(const Options& options);

}  // namespace azulb::bench
