// Active health checks (reference.toml, [upstream.*.health]): asks every server in turn and feeds what it
// sees to the servers' states.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "azulb/balance/upstream_state.hpp"
#include "azulb/base/address.hpp"
#include "azulb/base/random.hpp"
#include "azulb/config/config.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/tls/client_context.hpp"

namespace azulb::upstream {

class Probe;
struct ProbeHome;

/// One server to be checked.
struct ProbeTarget {
  std::string upstream;              // its name, for the log
  std::uint32_t upstream_index = 0;  // handed to the observer
  config::Health health;
  balance::UpstreamState* state = nullptr;  // outlives the prober
  std::uint32_t server = 0;                 // its index in `state`
  base::SocketAddress address;              // where it serves; `health.port` is put in by the prober
  config::Protocol protocol{};
  int proxy_protocol = 0;    // version of the header that connections to it begin with; 0 = none
  std::string address_text;  // as configured, such as "app:3000": for Host
  const tls::ClientContext* tls = nullptr;  // outlives the prober; null: plain text
  std::string tls_name{};                   // what the server must prove to be
};

/// Checks each target at once, then every `interval` (`fast_interval` while its state may be about to
/// change), give or take `jitter`; a disabled server is not asked. Never two checks of a server at a time;
/// each on a connection of its own. The loop's thread only. May be stopped or destroyed at any time, also by
/// its observer.
class Prober {
 public:
  /// A server has come up or gone down: its state is changed and logged already.
  using Observer = std::function<void(std::uint32_t upstream_index, std::uint32_t server)>;

  Prober(net::Loop& loop, std::vector<ProbeTarget> targets, Observer observer);
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober();

  /// The first check of every server begins with the loop's next turn; later ones are spread over the
  /// interval.
  void start();
  /// Checks these from now on. Where a server's state was checked already, that goes on as it was; others are
  /// checked at once, or dropped. After `start`; the states of the targets so far must still be there.
  void update(std::vector<ProbeTarget> targets);
  /// Abandons the checks under way without a verdict. `start` begins anew.
  void stop();

 private:
  friend class Probe;

  struct Check {
    ProbeTarget target;
    base::SocketAddress address;  // with the port to check
    tls::Resumption resumption;
    Probe* running = nullptr;
    std::int64_t started_ms = 0;
    bool first = true;
    bool hindrance_told = false;  // logged that this process could not make the check
  };

  static Check check_of(ProbeTarget target);
  void begin(std::uint32_t index);
  /// By a probe, as its last act.
  void decided(std::uint32_t index, bool passed, const std::string& reason);
  /// The check could not be made for a reason that is not the server's: no verdict.
  void hindered(std::uint32_t index, const std::string& reason);
  void schedule_next(std::uint32_t index);
  std::int64_t wait_ms(std::uint32_t index);
  void arm();
  void on_due();

  net::Loop& loop_;
  Observer observer_;
  std::vector<Check> checks_;
  std::set<std::pair<std::int64_t, std::uint32_t>> schedule_;  // when (the loop's milliseconds), which check
  base::Random random_ = base::Random::from_system();
  // Shared with the probes, which may live until the end of the loop's turn after the prober has gone.
  std::shared_ptr<ProbeHome> home_;
  net::MemberTimer<Prober, &Prober::on_due> timer_{*this};
};

}  // namespace azulb::upstream
