#include "azulb/proxy/tunnel_drain.hpp"

#include <algorithm>
#include <limits>

#include "azulb/proxy/exchange.hpp"

namespace azulb::proxy {
namespace {

using namespace std::chrono_literals;

// Tunnels that are closer together than this are asked together.
constexpr std::int64_t least_interval_ms = 10;
// What is left of the time for the last ones to come to the end of a message and to close: at most this much,
// and no more than a quarter.
constexpr std::chrono::milliseconds last_ones_time = 2s;

}  // namespace

void TunnelDrain::begin(std::chrono::milliseconds delay, std::chrono::milliseconds time) {
  const std::int64_t start_ms = loop_.now_ms() + delay.count();
  const std::int64_t end_ms = start_ms + time.count();
  if (running() && end_ms >= end_ms_) return;
  end_ms_ = end_ms;
  const std::int64_t spread_ms = (time - std::min(time / 4, last_ones_time)).count();
  last_asked_ms_ = start_ms + spread_ms;
  std::int64_t count = 0;
  tunnels_.for_each([&count](Attempt&) { ++count; });
  interval_ms_ = std::max(spread_ms / (count + 1), least_interval_ms);
  batch_ = static_cast<std::size_t>(count * interval_ms_ / std::max<std::int64_t>(spread_ms, 1) + 1);
  next_ms_ = std::min(start_ms + interval_ms_, last_asked_ms_);
  start_timer();
}

void TunnelDrain::stop() {
  timer_.stop();
  asked_.for_each([](Attempt& attempt) { attempt.exchange().keep_tunnel(); });
  tunnels_.take_all(asked_);
}

void TunnelDrain::start_timer() {
  loop_.timers().start(timer_,
                       std::chrono::milliseconds(std::max<std::int64_t>(next_ms_ - loop_.now_ms(), 0)));
}

void TunnelDrain::on_timeout() {
  const std::int64_t now_ms = loop_.now_ms();
  if (now_ms >= end_ms_) return end();
  ask(now_ms >= last_asked_ms_ ? std::numeric_limits<std::size_t>::max() : batch_);
  if (tunnels_.empty() && asked_.empty()) return;
  next_ms_ = now_ms >= last_asked_ms_ ? end_ms_ : std::min(next_ms_ + interval_ms_, last_asked_ms_);
  start_timer();
}

void TunnelDrain::ask(std::size_t count) {
  for (; count > 0 && !tunnels_.empty(); --count) {
    Attempt& attempt = tunnels_.pop_front();
    if (!attempt.exchange().close_tunnel()) asked_.push_back(attempt);
  }
}

void TunnelDrain::end() {
  ask(std::numeric_limits<std::size_t>::max());
  while (!asked_.empty())
    asked_.pop_front().exchange().cut_tunnel();
}

}  // namespace azulb::proxy
