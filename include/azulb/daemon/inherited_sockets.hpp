// Listening sockets that another process has opened: the service manager (systemd's socket activation,
// sd_listen_fds(3)), or the azulb whose place this one takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/daemon/handover.hpp"
#include "azulb/net/listening_socket.hpp"

namespace azulb::daemon {

/// A socket serves the listener that has its name (FileDescriptorName=), else the configured address it is
/// bound to; azulb then binds none itself. The manager keeps its own end: between two azulbs connections wait
/// in the backlog instead of being refused. So they do while a predecessor has not given its sockets up.
class InheritedSockets {
 public:
  /// Takes what LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES name, and removes these from the environment, as
  /// they are for no other process. Before other threads are started.
  static base::Result<InheritedSockets> from_environment();
  static base::Result<InheritedSockets> from_predecessor(const Handover& handover);

  /// Empty if there are none.
  std::vector<net::BoundSocket> take_named(std::string_view name);
  /// `listener`: whose address it is (of the admin pages: empty); with port 0, which of the ports that the
  /// kernel chose is meant.
  std::vector<net::BoundSocket> take_bound_to(const base::SocketAddress& address, std::string_view listener);

  /// An error if some have not been taken: clients would connect to them and never be served.
  base::Result<void> all_taken() const;
  /// Descriptors of those that have not been taken.
  std::vector<int> left() const;

 private:
  struct Inherited {
    std::string name;        // of the listener, or whatever the manager calls it
    bool means_all = false;  // the listener of that name listens there and nowhere else
    bool was_bound = false;  // by a predecessor, for that listener
    net::BoundSocket socket;
  };

  template <typename Match>
  std::vector<net::BoundSocket> take_if(Match match);

  std::vector<Inherited> sockets_;
};

}  // namespace azulb::daemon
