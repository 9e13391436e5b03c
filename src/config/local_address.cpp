#include "azulb/config/local_address.hpp"

#include "rules.hpp"

namespace azulb::config {

bool is_local_address(const base::HostPort& address) {
  if (address.is_unix || to_lower(address.host) == "localhost") return true;
  const base::Result<base::IpAddress> ip = base::IpAddress::parse(address.host);
  if (!ip) return false;
  const base::Network v4_loopback = base::Network::parse("127.0.0.0/8").value();
  return v4_loopback.contains(*ip) || ip->text() == "::1";
}

}  // namespace azulb::config
