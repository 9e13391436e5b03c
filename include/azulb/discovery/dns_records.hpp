// What a DNS response says (RFC 1035 section 4, RFC 3596, RFC 2782): the records asked for, and how long they
// hold. The bytes are taken apart by the system's libresolv.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"

namespace azulb::discovery {

/// The values are those on the wire.
enum class RecordType : std::uint16_t { a = 1, aaaa = 28, srv = 33 };

/// An SRV record. Its target is a name, to be resolved in turn.
struct ServiceRecord {
  std::uint16_t priority = 0;  // the lowest is tried first
  std::uint16_t weight = 0;    // share among those of one priority
  std::uint16_t port = 0;
  std::string target;  // lower case, without the dot at its end

  auto operator<=>(const ServiceRecord&) const = default;
};

/// The records of one type, sorted and each once, so that a server of names that answers in turns changes
/// nothing. A response is at most 64 KiB, which bounds their number.
struct DnsRecords {
  std::vector<base::IpAddress> addresses;  // of A and AAAA
  std::vector<ServiceRecord> services;     // of SRV
  /// The shortest of these records' and of the aliases' (CNAME) that led to them.
  std::uint32_t ttl_s = std::numeric_limits<std::uint32_t>::max();

  bool empty() const { return addresses.empty() && services.empty(); }
  /// Whether they say the same, for however long.
  bool same_as(const DnsRecords& other) const {
    return addresses == other.addresses && services == other.services;
  }
};

/// The records of `type` in the answer section of a response; none is no error. An SRV record with the target
/// "." says that there is no such service (RFC 2782) and is left out.
base::Result<DnsRecords> read_dns_records(std::span<const std::uint8_t> message, RecordType type);

}  // namespace azulb::discovery
