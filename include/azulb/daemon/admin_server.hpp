// The admin pages on their address.
#pragma once

#include <functional>
#include <vector>

#include "azulb/admin/handler.hpp"
#include "azulb/admin/local_server.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/daemon/handover.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::daemon {

class EventStream;

/// Main thread only.
class AdminServer final : private admin::LocalHandler {
 public:
  using Sources = std::function<admin::AdminSources()>;

  /// `control` outlives the server.
  AdminServer(net::Loop& loop, std::vector<net::BoundSocket> sockets, Sources sources,
              admin::Control& control);

  ~AdminServer() override;

  void stop();
  /// Something has changed that watchers of the dashboard want to see now.
  void changed();
  /// What a successor is handed, with main's descriptors.
  std::vector<HandedSockets> handed() const;
  /// The successor has taken all but those with the descriptors `left`.
  void give_up(const std::vector<int>& left);
  /// Accepts nothing more, and lets what is under way end. Who watches is to come again, to whoever has the
  /// address then.
  void drain();
  /// After `drain`: it may be destroyed.
  bool ended() const { return server_.empty(); }
  const base::SocketAddress& address() const { return sockets_.front().address(); }

 private:
  void handle(admin::LocalExchange& exchange) override;
  void answer(admin::LocalExchange& exchange, const admin::AdminReply& reply);
  void begin_events(admin::LocalExchange& exchange, const admin::LocalAnswer& answer);
  void send_events();

  std::vector<net::BoundSocket> sockets_;
  Sources sources_;
  admin::Control& control_;
  base::IntrusiveList<EventStream> watchers_;
  std::size_t watcher_count_ = 0;  // as of the last event
  bool change_told_ = false;       // the next event is on its way already
  net::Loop& loop_;
  net::MemberTimer<AdminServer, &AdminServer::send_events> timer_{*this};
  admin::LocalServer server_;
};

}  // namespace azulb::daemon
