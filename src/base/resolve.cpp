// The blocking resolver, for start-up only.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "azulb/base/address.hpp"

namespace azulb::base {
namespace {

struct AddressListDeleter {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

/// The result of getaddrinfo, or its error code.
tl::expected<AddressList, int> query(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0) return tl::unexpected(error);
  return AddressList(list);
}

/// Whether this system can open IPv6 sockets at all; where it cannot, [::] is no part of "any address".
bool has_ipv6() {
  const int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor >= 0) close(descriptor);
  return descriptor >= 0;
}

std::vector<SocketAddress> unique_addresses(const addrinfo* list, bool with_ipv6) {
  std::vector<SocketAddress> addresses;
  for (; list != nullptr; list = list->ai_next) {
    if (list->ai_family == AF_INET6 && !with_ipv6) continue;
    const SocketAddress address(list->ai_addr, list->ai_addrlen);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
      addresses.push_back(address);
  }
  return addresses;
}

}  // namespace

Result<std::vector<SocketAddress>> resolve(const HostPort& host_port, bool for_listening) {
  if (host_port.is_unix) {
    const Result<SocketAddress> address = SocketAddress::from_unix_path(host_port.host);
    if (!address) return tl::unexpected(address.error());
    return std::vector<SocketAddress>{*address};
  }
  if (host_port.host.empty() && !for_listening) {
    return failure("\"" + host_port.text() + "\"" + " names no host to connect to");
  }
  const int passive = for_listening ? AI_PASSIVE : 0;
  auto list = query(host_port.host, host_port.port, passive | AI_NUMERICHOST);
  // AI_ADDRCONFIG would refuse a numeric [::1] on a machine without IPv6 but loopback, hence two steps.
  if (!list && list.error() == EAI_NONAME)
    list = query(host_port.host, host_port.port, passive | AI_ADDRCONFIG);
  if (!list) {
    const int error_number = list.error() == EAI_SYSTEM ? errno : 0;
    return failure("cannot resolve \"" + host_port.host + "\": " + gai_strerror(list.error()), error_number);
  }
  std::vector<SocketAddress> addresses = unique_addresses(list->get(), !host_port.host.empty() || has_ipv6());
  if (addresses.empty()) return failure("cannot resolve \"" + host_port.host + "\": it has no address");
  return addresses;
}

}  // namespace azulb::base
