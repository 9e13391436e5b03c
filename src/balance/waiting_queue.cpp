#include "azulb/balance/waiting_queue.hpp"

#include <algorithm>

#include "azulb/base/assert.hpp"

namespace azulb::balance {

void WaitingQueue::join(Member& member) {
  const std::lock_guard lock(mutex_);
  members_.push_back(&member);
}

void WaitingQueue::leave(Member& member) {
  const std::lock_guard lock(mutex_);
  std::erase(members_, &member);
}

bool WaitingQueue::begin(std::uint64_t limit) {
  std::uint64_t count = count_.load();
  while (count < limit) {
    if (count_.compare_exchange_weak(count, count + 1)) return true;
  }
  return false;
}

void WaitingQueue::end() {
  const std::uint64_t before = count_.fetch_sub(1);
  AZULB_ASSERT(before > 0);
}

void WaitingQueue::set_first(Member& member, Ticket ticket) {
  const std::lock_guard lock(mutex_);
  member.first_ = ticket;
}

bool WaitingQueue::is_next(const Member& member) {
  const std::lock_guard lock(mutex_);
  return next() == &member;
}

void WaitingQueue::wake_next() {
  const std::lock_guard lock(mutex_);
  if (Member* const member = next()) member->wake();
}

WaitingQueue::Member* WaitingQueue::next() {
  const auto least =
      std::min_element(members_.begin(), members_.end(),
                       [](const Member* left, const Member* right) { return left->first_ < right->first_; });
  return least == members_.end() || (*least)->first_ == nobody ? nullptr : *least;
}

}  // namespace azulb::balance
