// A connection that has been accepted where PROXY headers are expected, until its header is there.
#pragma once

#include <cstdint>
#include <string_view>

#include "azulb/base/address.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/proxy_header.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/net/watcher.hpp"

namespace azulb::proxy {

class WorkerListener;

/// Takes the header off the socket, not a byte more, and hands the descriptor to the worker: whatever reads
/// then (a codec, a TLS session) finds the client's first byte. It looks (MSG_PEEK) until the header is whole
/// and only then reads. Usually that is at once, and the descriptor never enters the epoll set on its behalf.
class PendingConnection final : public base::ListNode<PendingConnection>,
                                private net::Watcher,
                                private net::Retired {
 public:
  /// Owns the descriptor. `listener` outlives it.
  PendingConnection(WorkerListener& listener, int descriptor, const base::SocketAddress& peer,
                    std::uint16_t local_port);
  ~PendingConnection() override { close(); }

  /// Once: looks for the header, and waits if it is not there yet. May hand over or end the connection.
  void start();
  /// The worker accepts no more: a header that is on its way has a moment.
  void drain();
  WorkerListener& listener() { return listener_; }
  /// Ends it at once.
  void abort() { end(); }

 private:
  void on_events(std::uint32_t events) override;
  void on_timeout();
  void reclaim() override;

  void look();
  void wait();
  bool take(std::size_t size_bytes);
  void hand_over(const net::ParsedProxyHeader& header);
  void refuse(std::string_view fault);
  void end();
  void close();

  WorkerListener& listener_;
  const base::SocketAddress peer_;
  net::MemberTimer<PendingConnection, &PendingConnection::on_timeout> timer_{*this};
  int descriptor_;
  const std::uint16_t local_port_;
  bool watched_ = false;
  bool peer_ended_ = false;
};

}  // namespace azulb::proxy
