#include "azulb/daemon/listener_sockets.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "in_context.hpp"

namespace azulb::daemon {
namespace {

std::uint64_t next_id() {
  static std::uint64_t last = 0;
  return ++last;
}

// With SO_REUSEPORT a second process may bind an address that is in use; a bind without it shows that.
base::Result<net::BoundSocket> bind_first(const base::SocketAddress& address, int backlog,
                                          bool port_is_ours) {
  if (address.is_unix()) return net::BoundSocket::bind(address, backlog, false);
  auto probe = net::BoundSocket::bind(address, backlog, false);
  if (!probe) {
    // Perhaps it is one of our own that is in the way, on another address with the same port.
    if (probe.error().system_error != EADDRINUSE || !port_is_ours) return probe;
    return net::BoundSocket::bind(address, backlog, true);
  }
  const base::SocketAddress chosen = probe->address();
  { const net::BoundSocket closed = std::move(*probe); }
  return net::BoundSocket::bind(chosen, backlog, true);
}

}  // namespace

base::Result<ListenerAddresses> resolve_listeners(const config::Config& config) {
  ListenerAddresses listeners;
  for (const config::Listener& listener : config.listeners) {
    auto& of_listener = listeners.emplace_back();
    for (const base::HostPort& host_port : listener.address) {
      const auto addresses = base::resolve(host_port, true);
      if (!addresses) return tl::unexpected(in_context("listener " + listener.name, addresses.error()));
      of_listener.insert(of_listener.end(), addresses->begin(), addresses->end());
    }
  }
  return listeners;
}

base::Result<ListenerSockets> ListenerSockets::open(const config::Config& config,
                                                    const ListenerAddresses& addresses,
                                                    const ListenerSockets& current,
                                                    InheritedSockets& inherited) {
  ListenerSockets next;
  for (std::size_t index = 0; index < config.listeners.size(); ++index) {
    const config::Listener& listener = config.listeners[index];
    auto& places = next.listeners_.emplace_back(current.find_named(listener.name));
    for (net::BoundSocket& socket : inherited.take_named(listener.name)) {
      Place& place = places.emplace_back(Place{listener.name, socket.address(), true, {}});
      place.sockets.push_back(std::make_shared<Socket>(Socket{next_id(), std::move(socket)}));
    }
    if (!places.empty()) continue;
    for (const base::SocketAddress& wanted : addresses[index]) {
      Place place{.listener = listener.name, .wanted = wanted, .named = false, .sockets = {}};
      if (const Place* known = current.find(listener.name, wanted)) place.sockets = known->sockets;
      if (place.sockets.empty()) add(place, inherited.take_bound_to(wanted, listener.name));
      if (auto filled = fill(place, config.process.workers, listener.backlog, current); !filled)
        return tl::unexpected(in_context("listener " + listener.name, filled.error()));
      places.push_back(std::move(place));
    }
  }
  return next;
}

ListenerSockets ListenerSockets::none(const config::Config& config) {
  ListenerSockets sockets;
  sockets.listeners_.resize(config.listeners.size());
  return sockets;
}

void ListenerSockets::listen(const config::Config& config) const {
  for (std::size_t index = 0; index < listeners_.size(); ++index) {
    for (const Place& place : listeners_[index]) {
      for (const auto& socket : place.sockets)
        socket->bound.set_backlog(config.listeners[index].backlog);
    }
  }
}

template <typename Visit>
void ListenerSockets::for_each(Visit visit) const {
  for (const auto& places : listeners_) {
    for (const Place& place : places) {
      for (const auto& socket : place.sockets)
        visit(*socket);
    }
  }
}

std::vector<HandedSockets> ListenerSockets::handed() const {
  std::vector<HandedSockets> handed;
  for (const auto& places : listeners_) {
    for (const Place& place : places) {
      auto& of_place = handed.emplace_back(HandedSockets{.listener = place.listener,
                                                         .managed = place.sockets.front()->bound.is_managed(),
                                                         .named = place.named,
                                                         .descriptors = {}});
      for (const auto& socket : place.sockets)
        of_place.descriptors.push_back(socket->bound.descriptor());
    }
  }
  return handed;
}

std::unordered_set<std::uint64_t> ListenerSockets::give_up(const std::vector<int>& left) const {
  std::unordered_set<std::uint64_t> taken;
  for_each([&](Socket& socket) {
    if (std::find(left.begin(), left.end(), socket.bound.descriptor()) != left.end()) return;
    socket.bound.give_up();
    taken.insert(socket.id);
  });
  return taken;
}

void ListenerSockets::own() const {
  for_each([](Socket& socket) { socket.bound.own(); });
}

void ListenerSockets::add(Place& place, std::vector<net::BoundSocket> sockets) {
  for (net::BoundSocket& socket : sockets)
    place.sockets.push_back(std::make_shared<Socket>(Socket{next_id(), std::move(socket)}));
}

std::vector<ListenerSockets::Place> ListenerSockets::find_named(const std::string& listener) const {
  std::vector<Place> found;
  for (const auto& places : listeners_) {
    for (const Place& place : places) {
      if (place.named && place.listener == listener) found.push_back(place);
    }
  }
  return found;
}

base::Result<void> ListenerSockets::give_to(const Account& account) const {
  base::Result<void> result;
  for_each([&](const Socket& socket) {
    if (result) result = socket.bound.give_to(account.user, account.group);
  });
  return result;
}

const ListenerSockets::Place* ListenerSockets::find(const std::string& listener,
                                                    const base::SocketAddress& wanted) const {
  const bool any_port = !wanted.is_unix() && wanted.port() == 0;
  for (const auto& places : listeners_) {
    for (const Place& place : places) {
      if (!place.named && place.wanted == wanted && (!any_port || place.listener == listener)) return &place;
    }
  }
  return nullptr;
}

bool ListenerSockets::has_port(std::uint16_t port) const {
  return std::any_of(listeners_.begin(), listeners_.end(), [port](const std::vector<Place>& places) {
    return std::any_of(places.begin(), places.end(), [port](const Place& place) {
      return !place.wanted.is_unix() && place.sockets.front()->bound.address().port() == port;
    });
  });
}

base::Result<void> ListenerSockets::fill(Place& place, std::size_t count, int backlog,
                                         const ListenerSockets& current) {
  const bool alone = !place.sockets.empty() && place.sockets.front()->bound.is_shared();
  const std::size_t wanted = alone || place.wanted.is_unix() ? 1 : count;
  while (place.sockets.size() < wanted) {
    auto bound = place.sockets.empty()
                     ? bind_first(place.wanted, backlog,
                                  !place.wanted.is_unix() && current.has_port(place.wanted.port()))
                     : net::BoundSocket::join(place.sockets.front()->bound.address());
    if (!bound) return tl::unexpected(bound.error());
    place.sockets.push_back(std::make_shared<Socket>(Socket{next_id(), std::move(*bound)}));
  }
  return {};
}

std::vector<std::vector<proxy::WorkerUpdate::Socket>> ListenerSockets::of_worker(unsigned index,
                                                                                 unsigned workers) const {
  std::vector<std::vector<proxy::WorkerUpdate::Socket>> listeners;
  for (const auto& places : listeners_) {
    auto& sockets = listeners.emplace_back();
    for (const Place& place : places) {
      for (std::size_t number = 0; number < place.sockets.size(); ++number) {
        const Socket& socket = *place.sockets[number];
        const bool shared = socket.bound.is_shared();
        if (shared || number % workers == index)
          sockets.push_back({socket.id, socket.bound.address(), shared, socket.bound.descriptor()});
      }
    }
  }
  return listeners;
}

std::unordered_set<std::uint64_t> ListenerSockets::ids() const {
  std::unordered_set<std::uint64_t> ids;
  for_each([&ids](const Socket& socket) { ids.insert(socket.id); });
  return ids;
}

std::vector<base::SocketAddress> ListenerSockets::addresses() const {
  std::vector<base::SocketAddress> addresses;
  for (const auto& places : listeners_) {
    for (const Place& place : places)
      addresses.push_back(place.sockets.front()->bound.address());
  }
  return addresses;
}

}  // namespace azulb::daemon
