#include "azulb/daemon/watchdog.hpp"

#include <algorithm>

namespace azulb::daemon {

using namespace std::chrono_literals;

void Watchdog::start() {
  if (manager_.watchdog_interval() <= 0ms) return;
  workers_.ask_for_signs();
  loop_.timers().list(std::max(manager_.watchdog_interval() / 4, 1ms)).start(timer_);
}

void Watchdog::look() {
  if (workers_.gave_signs()) manager_.keep_alive();
  start();
}

}  // namespace azulb::daemon
