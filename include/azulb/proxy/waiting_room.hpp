// A worker's requests that wait for a server of one upstream, in their order, and its part of the queue that
// all workers have there.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "azulb/balance/upstream_state.hpp"
#include "azulb/balance/waiting_queue.hpp"
#include "azulb/base/intrusive_list.hpp"
#include "azulb/config/config.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::proxy {

class Exchange;
class Wakeups;
struct ExchangeWaiting;  // the tag of a WaitingRoom's lists

/// The loop's thread, but for being woken.
class WaitingRoom final : private balance::WaitingQueue::Member, private net::Deferred {
 public:
  /// What is passed by reference outlives this.
  WaitingRoom(net::Loop& loop, Wakeups& wakeups, std::shared_ptr<balance::UpstreamState> upstream);
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;
  /// Nobody waits.
  ~WaitingRoom() override;

  /// False if `limit` wait already. `again`: it has been at a server, and goes ahead of those that have not.
  bool enter(Exchange& exchange, std::uint64_t limit, bool again);
  void leave(Exchange& exchange);

  /// Serves, out of this callback.
  void serve_soon() { loop_.defer(*this); }
  /// Lets its requests try while they are next in the queue and find a server, then wakes who is next.
  void serve();
  /// In their order.
  std::vector<Exchange*> all();

 private:
  using WaitingQueue = balance::WaitingQueue;
  using List = base::IntrusiveList<Exchange, ExchangeWaiting>;

  void wake() override;
  void on_deferred() override { serve(); }
  Exchange* first();
  void tell_first();
  /// By priority, and of these who has stood in line the longest, on whichever worker.
  static WaitingQueue::Ticket ticket_of(const Exchange& exchange);

  net::Loop& loop_;
  Wakeups& wakeups_;
  const std::shared_ptr<balance::UpstreamState> upstream_;
  std::array<List, config::priority_count> waiting_;  // by priority, the highest first
};

}  // namespace azulb::proxy
