// The PROXY protocol's header, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a proxy says first on a
// connection, so that its far end knows whose connection it relays. Pure functions over bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "azulb/base/address.hpp"

namespace azulb::net {

/// Both ends of a client's connection.
struct ProxiedAddresses {
  base::IpAddress source;
  base::IpAddress destination;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;

  bool operator==(const ProxiedAddresses&) const = default;
};

/// Longest line of version 1, its CRLF included (section 2.1).
inline constexpr std::size_t max_proxy_line_bytes = 107;
/// Of version 2: what stands before the addresses, and how much of addresses and TLVs azulb takes (section
/// 2.2 allows 65535 bytes; what proxies send is far below this).
inline constexpr std::size_t proxy_v2_prefix_bytes = 16;
inline constexpr std::size_t max_proxy_v2_payload_bytes = 4096;
/// The longest header that is taken, of either version.
inline constexpr std::size_t max_proxy_header_bytes = proxy_v2_prefix_bytes + max_proxy_v2_payload_bytes;

struct ParsedProxyHeader {
  enum class Status : std::uint8_t { incomplete, complete, malformed };

  Status status = Status::incomplete;
  std::string_view fault;  // of a malformed one: what is wrong, to stand behind "refused: "
  std::size_t length = 0;  // of a complete one: what follows belongs to the connection's own protocol
  /// Nothing if the sender speaks for itself or tells no TCP address (UNKNOWN, LOCAL, UNSPEC, unix sockets,
  /// datagrams): then the connection's own addresses count.
  std::optional<ProxiedAddresses> addresses;
};

/// Judges the first bytes of a connection, all that have come so far or the first `max_proxy_header_bytes` of
/// them. What cannot become a header is malformed as soon as that is known; more bytes never change a verdict
/// but `incomplete`.
ParsedProxyHeader parse_proxy_header(std::string_view bytes);

/// Room for any header that azulb writes.
inline constexpr std::size_t written_proxy_header_bytes = max_proxy_line_bytes;

/// Writes a header of `version` 1 or 2 to `out`; returns its length. Without addresses it is UNKNOWN or
/// LOCAL.
std::size_t write_proxy_header(int version, const ProxiedAddresses* addresses, char* out);

}  // namespace azulb::net
