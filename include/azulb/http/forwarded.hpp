// Who asks: X-Forwarded-*, X-Real-IP, REMOTE_ADDR, X-Request-ID and X-SSL-Client-*, and whom to believe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "azulb/base/address.hpp"
#include "azulb/http/framing.hpp"
#include "azulb/http/head.hpp"

namespace azulb::http {

/// What the listener knows about the connection. A peer on a unix socket counts as 127.0.0.1.
struct ConnectionFacts {
  base::IpAddress peer;
  bool tls = false;
  std::uint16_t port = 0;  // the listener's; 0 for a unix socket
  std::span<const base::Network> trusted_proxies;
  bool verifies_clients = false;    // their certificates
  std::string_view client_subject;  // of the verified certificate; empty: the client gave none
};

/// The values azulb sets. Views point into the head, into constants, or into this object: it must not move
/// once filled.
struct ForwardedValues {
  ForwardedValues() = default;
  ForwardedValues(const ForwardedValues&) = delete;
  ForwardedValues& operator=(const ForwardedValues&) = delete;

  bool peer_trusted = false;
  base::IpAddress client;           // of the request: the peer, or the rightmost untrusted of X-Forwarded-For
  std::string_view client_ip;       // X-Real-IP and REMOTE_ADDR
  std::string_view peer_ip;         // what is appended to (or is) X-Forwarded-For
  std::string_view proto;           // "http" or "https"
  std::string_view host;            // X-Forwarded-Host; empty = not written
  std::string_view port;            // X-Forwarded-Port; empty = not written
  std::string_view request_id;      // passed on or made
  std::string_view client_verify;   // X-SSL-Client-Verify, "SUCCESS" or "NONE"; empty = not written
  std::string_view client_subject;  // X-SSL-Client-S-DN; empty = not written

  std::array<char, 48> peer_text;
  std::array<char, 8> port_text;
  std::array<char, 32> made_request_id;
};

/// Most fields of azulb's own that a request gets.
inline constexpr std::size_t most_forwarded_fields = 9;
/// The fields that write_request_head writes for `values`, for codecs that write fields one by one: how many.
/// `chain` holds the value of X-Forwarded-For.
std::size_t list_forwarded(const RequestHead& head, const ForwardedValues& values, std::string& chain,
                           std::span<Field, most_forwarded_fields> out);

/// Longest X-Request-ID of a client that is passed on.
inline constexpr std::size_t max_request_id_length = 128;
/// 1 to 128 of [A-Za-z0-9._:/+=@-].
bool is_request_id(std::string_view text);
/// 32 lower-case hex digits of 128 random bits.
void make_request_id(std::uint64_t random_high, std::uint64_t random_low, std::array<char, 32>& out);

/// Random numbers for request ids: two words per call that needs them. A seam for tests; not for secrets.
using RandomSource = std::uint64_t (*)(void* context);

/// Fills `values` and marks (Field::drop) the client's fields that azulb replaces or discards: X-Real-IP,
/// X-Request-ID, X-SSL-Client-*, Remote-Addr/REMOTE_ADDR and underscore twins always; X-Client-IP, Forwarded
/// and unknown X-Forwarded-* unless the peer is trusted; X-Forwarded-For, -Proto, -Host, -Port always, as a
/// trusted peer's are in `values` or are written by write_request_head joined with the peer.
void judge_forwarded(const ConnectionFacts& connection, RequestHead& head, const RequestInfo& info,
                     RandomSource random, void* random_context, ForwardedValues& values);

}  // namespace azulb::http
