// The sockets that listeners accept on: opened by main, shared out to the workers, kept from one snapshot to
// the next.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/daemon/account.hpp"
#include "azulb/daemon/inherited_sockets.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::daemon {

/// Per listener of a configuration, where it listens.
using ListenerAddresses = std::vector<std::vector<base::SocketAddress>>;

/// Resolves them: blocking, any thread. The error names the listener.
base::Result<ListenerAddresses> resolve_listeners(const config::Config& config);

/// Of one configuration. On each TCP address there are as many sockets as ever were workers, since with a
/// socket that is closed those are lost who wait in it: fewer workers accept on several each. On a unix
/// socket all accept. Main's; closing a socket here ends nothing that a worker still has.
class ListenerSockets {
 public:
  ListenerSockets() = default;

  /// Of a configuration, before it has any.
  static ListenerSockets none(const config::Config& config);
  /// Those of `config`: what `current` has on the same address is shared with it, what was inherited is
  /// taken, and the rest is bound. After an error nothing has changed. (Sockets that were inherited for a
  /// listener by its name stand for all of its addresses, for as long as it has the name.)
  static base::Result<ListenerSockets> open(const config::Config& config, const ListenerAddresses& addresses,
                                            const ListenerSockets& current, InheritedSockets& inherited);

  /// All of them listen from here on, with the backlogs of `config`, whose sockets they are. Those that have
  /// joined others on an address did not yet: before somebody accepts on them, nobody is to wait there.
  void listen(const config::Config& config) const;

  /// What a successor is handed, with main's descriptors.
  std::vector<HandedSockets> handed() const;
  /// The successor has taken all but those with the descriptors `left`; their ids.
  std::unordered_set<std::uint64_t> give_up(const std::vector<int>& left) const;
  /// The predecessor has given them up.
  void own() const;

  /// What worker `index` of `workers` accepts on, per listener; with main's descriptors.
  std::vector<std::vector<proxy::WorkerUpdate::Socket>> of_worker(unsigned index, unsigned workers) const;
  std::unordered_set<std::uint64_t> ids() const;
  /// Makes an account their owner.
  base::Result<void> give_to(const Account& account) const;
  /// With the ports that the kernel chose.
  std::vector<base::SocketAddress> addresses() const;

 private:
  struct Socket {
    std::uint64_t id;  // never used again
    net::BoundSocket bound;
  };
  /// One address of a listener.
  struct Place {
    std::string listener;
    base::SocketAddress wanted;  // as configured: port 0 is any
    bool named;                  // inherited by the listener's name
    std::vector<std::shared_ptr<Socket>> sockets;
  };

  std::vector<Place> find_named(const std::string& listener) const;
  const Place* find(const std::string& listener, const base::SocketAddress& wanted) const;
  bool has_port(std::uint16_t port) const;
  static void add(Place& place, std::vector<net::BoundSocket> sockets);
  static base::Result<void> fill(Place& place, std::size_t count, int backlog,
                                 const ListenerSockets& current);
  template <typename Visit>
  void for_each(Visit visit) const;

  std::vector<std::vector<Place>> listeners_;
};

}  // namespace azulb::daemon
