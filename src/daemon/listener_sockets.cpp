#include "azulb/daemon/listener_sockets.hpp"

#include <utility>

#include "azulb/base/address.hpp"

namespace azulb::daemon {
namespace {

// With SO_REUSEPORT a second process may bind an address that is in use; a bind without it shows that.
base::Result<net::BoundSocket> bind_first(const base::SocketAddress& address, int backlog, bool shared) {
  auto probe = net::BoundSocket::bind(address, backlog, false);
  if (!probe || !shared || address.is_unix()) return probe;
  const base::SocketAddress chosen = probe->address();
  { const net::BoundSocket closed = std::move(*probe); }
  return net::BoundSocket::bind(chosen, backlog, true);
}

base::Result<AddressSockets> bind_for_workers(const base::SocketAddress& address, int backlog,
                                              unsigned workers) {
  AddressSockets sockets;
  auto first = bind_first(address, backlog, workers > 1);
  if (!first) return tl::unexpected<base::Error>(first.error());
  sockets.push_back(std::move(*first));
  while (sockets.size() < workers && !sockets.front().is_shared()) {
    auto next = net::BoundSocket::bind(sockets.front().address(), backlog, true);
    if (!next) return tl::unexpected<base::Error>(next.error());
    sockets.push_back(std::move(*next));
  }
  return sockets;
}

base::Result<ListenerSockets> bind_all(const config::Listener& listener, unsigned workers,
                                       InheritedSockets& inherited) {
  ListenerSockets sockets;
  for (net::BoundSocket& socket : inherited.take_named(listener.name))
    sockets.emplace_back().push_back(std::move(socket));
  if (!sockets.empty()) return sockets;
  for (const base::HostPort& host_port : listener.address) {
    const auto addresses = base::resolve(host_port, true);
    if (!addresses) return tl::unexpected<base::Error>(addresses.error());
    for (const base::SocketAddress& address : *addresses) {
      AddressSockets& of_address = sockets.emplace_back(inherited.take_bound_to(address));
      if (!of_address.empty()) continue;
      auto bound = bind_for_workers(address, listener.backlog, workers);
      if (!bound) return tl::unexpected<base::Error>(bound.error());
      of_address.swap(*bound);
    }
  }
  return sockets;
}

}  // namespace

base::Result<ListenerSockets> bind_listener(const config::Listener& listener, unsigned workers,
                                            InheritedSockets& inherited) {
  auto sockets = bind_all(listener, workers, inherited);
  if (sockets) return sockets;
  return base::failure("listener " + listener.name + ": " + sockets.error().message,
                       sockets.error().system_error);
}

}  // namespace azulb::daemon
