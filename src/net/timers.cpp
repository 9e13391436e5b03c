#include "azulb/net/timers.hpp"

#include <bit>

#include "azulb/base/assert.hpp"

namespace azulb::net {

namespace {

/// The next in a grid that has eight durations from each power of two to the next.
std::chrono::milliseconds rounded(std::chrono::milliseconds duration) {
  auto value = static_cast<std::uint64_t>(duration.count() < 1 ? 1 : duration.count());
  const auto bits = static_cast<unsigned>(std::bit_width(value));
  if (bits > 4) {
    const std::uint64_t step = std::uint64_t{1} << (bits - 4);
    value = (value + step - 1) / step * step;
  }
  return std::chrono::milliseconds(value);
}

}  // namespace

TimerList* TimerQueue::find(std::chrono::milliseconds duration, std::chrono::milliseconds grain) const {
  for (const auto& each : lists_) {
    if (each->duration_ms_ == duration.count() && each->grain_ms_ == grain.count()) return each.get();
  }
  return nullptr;
}

TimerList& TimerQueue::list(std::chrono::milliseconds duration, std::chrono::milliseconds grain) {
  AZULB_ASSERT(std::has_single_bit(static_cast<std::uint64_t>(grain.count())));
  if (TimerList* const known = find(duration, grain)) return *known;
  if (lists_.size() >= exact_lists) {
    duration = rounded(duration);
    if (TimerList* const known = find(duration, grain)) return *known;
  }
  return *lists_.emplace_back(std::make_unique<TimerList>(*this, duration, grain));
}

void TimerQueue::start(Timer& timer, std::chrono::milliseconds duration) {
  list(rounded(duration)).start(timer);
}

void TimerQueue::take_due(base::IntrusiveList<Timer, Timer>& due) {
  for (const auto& each : lists_) {
    while (!each->timers_.empty() && each->timers_.front().deadline_ms_ <= now_ms_) {
      due.push_back(each->timers_.pop_front());
    }
  }
}

void TimerQueue::find_next_deadline() {
  next_deadline_ms_ = never;
  for (const auto& each : lists_) {
    if (each->timers_.empty()) continue;
    const std::int64_t first = each->timers_.front().deadline_ms_;
    if (first < next_deadline_ms_) next_deadline_ms_ = first;
  }
}

}  // namespace azulb::net
