// How the tunnels to a server that is to serve no longer are closed: one after another, so that their clients
// do not all come back at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "azulb/base/intrusive_list.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/proxy/attempt.hpp"

namespace azulb::proxy {

/// Of one server, on one worker's thread.
class TunnelDrain {
 public:
  /// `tunnels`: those to the server; outlives this. One that is asked to close leaves the list.
  TunnelDrain(net::Loop& loop, AttemptList& tunnels) : loop_(loop), tunnels_(tunnels) {}

  /// Asks all tunnels to close, spread evenly over nearly all of `time`, which begins `delay` from now; what
  /// is left at its end is cut. Tunnels that join meanwhile are asked with the last ones. Does nothing while
  /// a drain runs that ends no later.
  void begin(std::chrono::milliseconds delay, std::chrono::milliseconds time);
  /// What has not been closed yet goes on.
  void stop();
  bool running() const { return timer_.running(); }

 private:
  void on_timeout();
  void ask(std::size_t count);
  void end();
  void start_timer();

  net::Loop& loop_;
  AttemptList& tunnels_;
  AttemptList asked_;  // and in the middle of a message; or no WebSockets, which nobody can ask
  net::MemberTimer<TunnelDrain, &TunnelDrain::on_timeout> timer_{*this};
  std::int64_t next_ms_ = 0;
  std::int64_t interval_ms_ = 0;
  std::int64_t last_asked_ms_ = 0;  // when the last ones are asked
  std::int64_t end_ms_ = 0;
  std::size_t batch_ = 0;  // asked at a time
};

}  // namespace azulb::proxy
