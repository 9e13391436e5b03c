// Tells the service manager that azulb works, as long as it does.
#pragma once

#include "azulb/daemon/service_manager.hpp"
#include "azulb/daemon/workers.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::daemon {

/// A quarter of the interval after it has asked every worker for a sign of life, main's loop looks for the
/// signs, and only if all are there the manager hears of it. So a main loop or a worker that is stuck ends in
/// a restart, if the unit says so (WatchdogSec=). Main only; what is given outlives it.
class Watchdog {
 public:
  Watchdog(net::Loop& loop, ServiceManager& manager, const Workers& workers)
      : loop_(loop), manager_(manager), workers_(workers) {}

  /// Does nothing where the manager does not watch.
  void start();
  void stop() { timer_.stop(); }

 private:
  void look();

  net::Loop& loop_;
  ServiceManager& manager_;
  const Workers& workers_;
  net::MemberTimer<Watchdog, &Watchdog::look> timer_{*this};
};

}  // namespace azulb::daemon
