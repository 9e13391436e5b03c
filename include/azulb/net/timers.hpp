// Deadlines: one list per duration, kept in order by appending, so that starting and stopping a timer costs a
// few instructions and no system call. The loop's wait is bounded by the earliest deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "azulb/base/intrusive_list.hpp"

namespace azulb::net {

class TimerQueue;

/// Something with a deadline. Stopped by its destructor.
class Timer : private base::ListNode<Timer> {
 public:
  virtual ~Timer() = default;
  bool running() const { return linked(); }
  void stop() { unlink(); }

 protected:
  Timer() = default;

 private:
  friend class TimerList;
  friend class TimerQueue;
  template <typename, typename>
  friend class base::IntrusiveList;
  /// The deadline has passed; the timer is stopped and may be started again. May close connections; must not
  /// destroy other timers (things are destroyed at the end of the loop's turn).
  virtual void on_timeout() = 0;

  std::int64_t deadline_ms_ = 0;
};

/// A timer that calls a member function of its owner.
template <typename Owner, void (Owner::*function)()>
class MemberTimer final : public Timer {
 public:
  explicit MemberTimer(Owner& owner) : owner_(owner) {}

 private:
  void on_timeout() override { (owner_.*function)(); }
  Owner& owner_;
};

/// All timers of one duration. Fetched once from the queue and kept by its users.
class TimerList {
 public:
  TimerList(TimerQueue& queue, std::chrono::milliseconds duration, std::chrono::milliseconds grain)
      : queue_(queue), duration_ms_(duration.count()), grain_ms_(grain.count()) {}

  /// (Re)starts `timer`: due after this list's duration, counted from the loop's current time, at the next
  /// multiple of its grain.
  void start(Timer& timer);

  std::int64_t duration_ms() const { return duration_ms_; }

 private:
  friend class TimerQueue;
  TimerQueue& queue_;
  const std::int64_t duration_ms_;
  const std::int64_t grain_ms_;
  base::IntrusiveList<Timer, Timer> timers_;
};

/// Owned by a loop; used on its thread only.
class TimerQueue {
 public:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t exact_lists = 256;

  /// The list for this duration, made if there is none yet. References stay valid for the queue's life, as
  /// many connections hold them. Meant for the durations of the configuration; a varying duration (backoff,
  /// jitter) goes through `start`. As reloads may bring new ones without end, those beyond the first
  /// `exact_lists` are rounded as in `start`.
  TimerList& list(std::chrono::milliseconds duration) { return list(duration, std::chrono::milliseconds(1)); }
  /// For timers that are many and may be late: those that fall into one grain, a power of two, are due
  /// together, so that a loop that sleeps is woken once for all of them.
  TimerList& list(std::chrono::milliseconds duration, std::chrono::milliseconds grain);

  /// Starts `timer` with a duration out of the ordinary, rounded up to a power-of-two grid of durations (so
  /// that the number of lists stays small): at most 1/8 late.
  void start(Timer& timer, std::chrono::milliseconds duration);

  void set_now_ms(std::int64_t now_ms) { now_ms_ = now_ms; }
  std::int64_t now_ms() const { return now_ms_; }

  /// Not later than the earliest deadline, or `never`.
  std::int64_t next_deadline_ms() const { return next_deadline_ms_; }

  /// Calls every timer whose deadline has passed, and `after_each` after each of them.
  template <typename AfterEach>
  void run_due(AfterEach after_each);
  void run_due() {
    run_due([] {});
  }

 private:
  friend class TimerList;
  TimerList* find(std::chrono::milliseconds duration, std::chrono::milliseconds grain) const;
  void take_due(base::IntrusiveList<Timer, Timer>& due);
  void find_next_deadline();

  std::vector<std::unique_ptr<TimerList>> lists_;
  std::int64_t now_ms_ = 0;
  // Stopping a timer does not move this; the loop then wakes once for nothing and computes it anew.
  std::int64_t next_deadline_ms_ = never;
};

inline void TimerList::start(Timer& timer) {
  const std::int64_t deadline_ms = (queue_.now_ms_ + duration_ms_ + grain_ms_ - 1) & -grain_ms_;
  // Often started again within one turn. In whatever list it stands, it is due when it should be.
  if (timer.running() && timer.deadline_ms_ == deadline_ms) return;
  timer.unlink();
  timer.deadline_ms_ = deadline_ms;
  timers_.push_back(timer);
  if (timer.deadline_ms_ < queue_.next_deadline_ms_) queue_.next_deadline_ms_ = timer.deadline_ms_;
}

template <typename AfterEach>
void TimerQueue::run_due(AfterEach after_each) {
  if (now_ms_ < next_deadline_ms_) return;
  // Due timers are gathered first: a callback may start timers again, also with a duration of zero.
  base::IntrusiveList<Timer, Timer> due;
  take_due(due);
  while (!due.empty()) {
    due.pop_front().on_timeout();
    after_each();
  }
  find_next_deadline();
}

}  // namespace azulb::net
