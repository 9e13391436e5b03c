#include "azulb/proxy/waiting_room.hpp"

#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/proxy/exchange.hpp"
#include "azulb/proxy/wakeups.hpp"

namespace azulb::proxy {

WaitingRoom::WaitingRoom(net::Loop& loop, Wakeups& wakeups, std::shared_ptr<balance::UpstreamState> upstream)
    : loop_(loop), wakeups_(wakeups), upstream_(std::move(upstream)) {
  upstream_->waiting().join(*this);
}

WaitingRoom::~WaitingRoom() {
  AZULB_ASSERT(first() == nullptr);
  upstream_->waiting().leave(*this);
  wakeups_.forget(*this);
  cancel();
}

bool WaitingRoom::enter(Exchange& exchange, std::uint64_t limit, bool again) {
  balance::WaitingQueue& queue = upstream_->waiting();
  if (!queue.begin(limit)) return false;
  List& list = waiting_[static_cast<std::size_t>(exchange.priority())];
  if (again) {
    list.push_front(exchange);
  } else {
    list.push_back(exchange);
  }
  if (first() != &exchange) return true;
  tell_first();
  // A place that was freed since this one looked for it has woken nobody.
  if (queue.is_next(*this)) serve_soon();
  return true;
}

void WaitingRoom::leave(Exchange& exchange) {
  const bool was_first = first() == &exchange;
  exchange.unlink();
  upstream_->waiting().end();
  if (was_first) tell_first();
}

void WaitingRoom::serve() {
  balance::WaitingQueue& queue = upstream_->waiting();
  while (Exchange* const next = first()) {
    if (!queue.is_next(*this)) break;
    if (!next->try_again()) return;
  }
  if (!queue.empty()) queue.wake_next();
}

std::vector<Exchange*> WaitingRoom::all() {
  std::vector<Exchange*> found;
  for (List& list : waiting_)
    list.for_each([&found](Exchange& exchange) { found.push_back(&exchange); });
  return found;
}

void WaitingRoom::wake() {
  wakeups_.wake(*this);
}

Exchange* WaitingRoom::first() {
  for (List& list : waiting_) {
    if (!list.empty()) return &list.front();
  }
  return nullptr;
}

void WaitingRoom::tell_first() {
  const Exchange* const exchange = first();
  upstream_->waiting().set_first(*this, exchange != nullptr ? ticket_of(*exchange) : WaitingQueue::nobody);
}

WaitingRoom::WaitingQueue::Ticket WaitingRoom::ticket_of(const Exchange& exchange) {
  constexpr unsigned time_bits = 62;  // of nanoseconds: a century of uptime
  static_assert(config::priority_count < 1U << (64 - time_bits));
  return static_cast<std::uint64_t>(exchange.priority()) << time_bits |
         static_cast<std::uint64_t>(exchange.in_line_since_ns());
}

}  // namespace azulb::proxy
