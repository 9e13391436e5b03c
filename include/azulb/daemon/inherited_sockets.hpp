// Listening sockets that the parent process opened: systemd's socket activation (sd_listen_fds(3)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/net/listening_socket.hpp"

namespace azulb::daemon {

/// A socket serves the listener that has its name (FileDescriptorName=), else the configured address it is
/// bound to; azulb then binds none itself. The parent keeps its own end: between two azulbs connections wait
/// in the backlog instead of being refused.
class InheritedSockets {
 public:
  /// Takes what LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES name, and removes these from the environment, as
  /// they are for no other process. Before other threads are started.
  static base::Result<InheritedSockets> from_environment();

  /// Empty if there are none.
  std::vector<net::BoundSocket> take_named(std::string_view name);
  std::vector<net::BoundSocket> take_bound_to(const base::SocketAddress& address);

  /// An error if some have not been taken: clients would connect to them and never be served.
  base::Result<void> all_taken() const;

 private:
  struct Inherited {
    std::string name;
    net::BoundSocket socket;
  };

  template <typename Match>
  std::vector<net::BoundSocket> take_if(Match match);

  std::vector<Inherited> sockets_;
};

}  // namespace azulb::daemon
