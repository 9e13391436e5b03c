// The admin pages on their address.
#pragma once

#include <functional>
#include <optional>

#include "azulb/admin/handler.hpp"
#include "azulb/admin/local_server.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::daemon {

/// Main thread only.
class AdminServer final : private admin::LocalHandler {
 public:
  using Sources = std::function<admin::AdminSources()>;

  /// `control` outlives the server.
  AdminServer(net::Loop& loop, std::vector<net::BoundSocket> sockets, Sources sources,
              admin::Control& control);

  void stop() { server_.stop(); }
  const std::vector<net::BoundSocket>& sockets() const { return sockets_; }
  const base::SocketAddress& address() const { return sockets_.front().address(); }

 private:
  void handle(admin::LocalExchange& exchange) override;

  std::vector<net::BoundSocket> sockets_;
  Sources sources_;
  admin::Control& control_;
  admin::LocalServer server_;
};

}  // namespace azulb::daemon
