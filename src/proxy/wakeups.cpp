#include "azulb/proxy/wakeups.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "azulb/base/assert.hpp"
#include "azulb/proxy/waiting_room.hpp"

namespace azulb::proxy {

WakeDescriptors::WakeDescriptors() {
  for (int& descriptor : descriptors_) {
    descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    AZULB_ASSERT(descriptor >= 0);
  }
}

WakeDescriptors::~WakeDescriptors() {
  for (const int descriptor : descriptors_)
    ::close(descriptor);
}

Wakeups::Wakeups(net::Loop& loop, WakeDescriptors& descriptors)
    : loop_(loop), descriptor_(descriptors.take()) {
  const bool watched = loop_.watch(descriptor_, *this);
  AZULB_ASSERT(watched);
}

void Wakeups::wake(WaitingRoom& room) {
  const std::lock_guard lock(mutex_);
  if (std::find(woken_.begin(), woken_.end(), &room) != woken_.end()) return;
  woken_.push_back(&room);
  // Nobody reads it: each write is an edge of its own, and 2^64 of them are not reached.
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(descriptor_, &one, sizeof one);
}

void Wakeups::forget(WaitingRoom& room) {
  const std::lock_guard lock(mutex_);
  std::erase(woken_, &room);
}

void Wakeups::on_events(std::uint32_t) {
  {
    const std::lock_guard lock(mutex_);
    served_.swap(woken_);
  }
  for (WaitingRoom* const room : served_)
    room->serve_soon();
  served_.clear();
}

}  // namespace azulb::proxy
