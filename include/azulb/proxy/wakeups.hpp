// How a worker is told by others that a place may be free for a request that waits at it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "azulb/net/loop.hpp"

namespace azulb::proxy {

class WaitingRoom;

/// Descriptors that every worker has in its table, whichever of them was begun first, so that each can wake
/// any other: a mailbox's is in no table but its own and main's. Owned by main.
class WakeDescriptors {
 public:
  /// Workers past this number share: they wake together, and those that have nothing to do sleep on.
  static constexpr std::size_t size = 16;

  WakeDescriptors();
  WakeDescriptors(const WakeDescriptors&) = delete;
  WakeDescriptors& operator=(const WakeDescriptors&) = delete;
  ~WakeDescriptors();

  std::span<const int> all() const { return descriptors_; }
  /// The next worker's.
  int take() { return descriptors_[next_.fetch_add(1, std::memory_order_relaxed) % size]; }

 private:
  std::array<int, size> descriptors_;
  std::atomic<std::size_t> next_{0};
};

/// One worker's. Its rooms are served on its loop, out of all callbacks, soon after they were woken.
class Wakeups final : private net::Watcher {
 public:
  /// Any thread may make it; the loop is watched from then on, as long as it lives.
  Wakeups(net::Loop& loop, WakeDescriptors& descriptors);

  /// Any thread that has the descriptors. One that is woken already is woken once.
  void wake(WaitingRoom& room);
  /// The loop's thread: the room is not served any more.
  void forget(WaitingRoom& room);

 private:
  void on_events(std::uint32_t events) override;

  net::Loop& loop_;
  const int descriptor_;
  std::mutex mutex_;
  std::vector<WaitingRoom*> woken_;
  std::vector<WaitingRoom*> served_;  // kept for its memory
};

}  // namespace azulb::proxy
