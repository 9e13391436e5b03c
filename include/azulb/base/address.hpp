// Addresses: as written in the configuration (Endpoint text), as the kernel takes them (SocketAddress), and
// networks.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/result.hpp"

namespace azulb::base {

/// "127.0.0.1:3000", "[::1]:3000", "app:3000", ":8080" (any address), "unix:/run/app.sock", parsed but not
/// resolved.
struct HostPort {
  std::string host;        // without brackets; empty = any address; for a unix socket the path
  std::uint16_t port = 0;  // 0 for a unix socket
  bool is_unix = false;

  std::string text() const;
  bool operator==(const HostPort&) const = default;
};

/// Errors say what is wrong with the text.
Result<HostPort> parse_host_port(std::string_view text);

/// An IPv4 or IPv6 address without a port, 16 bytes in network order (IPv4 is kept as ::ffff:a.b.c.d).
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  bool is_v4() const;
  bool operator==(const IpAddress&) const = default;
  /// Writes at most 46 bytes (INET6_ADDRSTRLEN) to `out`, without terminator; returns the length. Allocates
  /// nothing.
  std::size_t format(char* out) const;
  std::string text() const;
  static Result<IpAddress> parse(std::string_view text);
};

/// A network in CIDR notation, or a single address.
struct Network {
  IpAddress address;
  int prefix_bits = 128;  // counted in the 128-bit form: an IPv4 /8 is 104

  bool operator==(const Network&) const = default;
  bool contains(const IpAddress& candidate) const;
  static Result<Network> parse(std::string_view text);
};

/// A resolved address that a socket binds or connects to: IPv4, IPv6 or a unix path.
class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(const sockaddr* address, socklen_t length);
  static Result<SocketAddress> from_unix_path(std::string_view path);
  static SocketAddress from_ip(const IpAddress& ip, std::uint16_t port);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(storage_.data()); }
  socklen_t length() const { return length_; }
  int family() const { return get()->sa_family; }
  bool is_unix() const { return length_ > 0 && family() == AF_UNIX; }
  std::uint16_t port() const;
  /// All zero for a unix socket.
  IpAddress ip() const;
  std::string text() const;
  bool operator==(const SocketAddress& other) const;

 private:
  alignas(8) std::array<char, 112> storage_{};  // the size of sockaddr_un, the largest of the three
  socklen_t length_ = 0;
};

/// Resolves with the system's resolver (blocking: only at start, never on a worker). All addresses, in the
/// resolver's order, without duplicates. A numeric address and a unix path need no resolver.
Result<std::vector<SocketAddress>> resolve(const HostPort& host_port, bool for_listening);

}  // namespace azulb::base
