#include "azulb/daemon/watchdog.hpp"

#include <algorithm>

namespace azulb::daemon {

using namespace std::chrono_literals;

void Watchdog::start() {
  if (manager_.watchdog_interval() <= 0ms) return;
  for (const auto& worker : workers_)
    worker->ask_for_sign();
  loop_.timers().list(std::max(manager_.watchdog_interval() / 4, 1ms)).start(timer_);
}

void Watchdog::look() {
  const bool all_live =
      std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->gave_sign(); });
  if (all_live) manager_.keep_alive();
  start();
}

}  // namespace azulb::daemon
