// Small blocking-free socket helpers shared by the benchmark programs. Loopback and IPv4 only: these are
// measuring tools, not part of azulb. Errors that make a measurement meaningless end the process.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string_view>

namespace azulb::bench {

// Monotonic time in nanoseconds.
std::int64_t now_ns();

// Prints "program: what: strerror(errno)" and exits with status 1.
[[noreturn]] void die(std::string_view what);

// Parses "127.0.0.1:8080"; a malformed address ends the process.
sockaddr_in parse_address(std::string_view text);

// A non-blocking listening socket with TCP_NODELAY set, which Linux hands on to what it accepts, so that
// no connection pays for a setsockopt of its own.
int listen_on(const sockaddr_in& address);

// The port the kernel gave to a bound socket.
std::uint16_t local_port(int descriptor);

// Starts a non-blocking connect and returns the descriptor, or -1 with errno set. `source` is the local
// address (network byte order) to connect from, 0 = any: several loopback source addresses keep a load of
// short connections from running out of ports in TIME_WAIT.
int connect_to(const sockaddr_in& address, in_addr_t source);

// Raises RLIMIT_NOFILE to the hard limit.
void raise_descriptor_limit();

// Tells the parent where we listen: prints "port N" on standard output and flushes it.
void announce_port(int descriptor);

}  // namespace azulb::bench
