// The running state of one upstream: its servers, totals, ejections, retry budget and policy.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/balance/outlier.hpp"
#include "azulb/balance/retry.hpp"
#include "azulb/balance/selector.hpp"
#include "azulb/balance/server_state.hpp"
#include "azulb/balance/waiting_queue.hpp"

namespace azulb::balance {

struct UpstreamSettings {
  std::string name;
  std::string balance = "round_robin";  // a name that find_policy() knows
  double hash_load_factor = 0.0;        // 0 = unbounded; else at least 1
  OutlierSettings outlier;
  RetrySettings retry;

  bool operator==(const UpstreamSettings&) const = default;
};

struct UpstreamSummary {
  std::uint32_t servers = 0;
  std::uint32_t up = 0;  // by health, ejected ones included
  std::uint32_t down = 0;
  std::uint32_t unknown = 0;  // waiting for the first verdict
  std::uint32_t ejected = 0;
  std::uint32_t draining = 0;
  std::uint32_t disabled = 0;
  std::uint32_t eligible = 0;  // up, enabled and not ejected
  std::uint32_t awaited = 0;   // enabled, without a verdict yet
  std::uint32_t withheld = 0;  // up, but draining or disabled
  /// When the first server that is up, enabled and ejected comes back (monotonic milliseconds); 0 = none is.
  std::int64_t next_return_ms = 0;
};

/// Why nothing can be chosen just now.
enum class Availability : std::uint8_t {
  available,
  awaiting_first_check,  // no server is eligible, but one has no verdict yet: wait
  ejected,               // every server that may serve is ejected: next_return_ms says until when
  drained,               // servers are up, but those are draining or disabled
  down,                  // no server is up
};
/// "available", "awaiting_first_check", "ejected", "drained", "down".
std::string_view to_string(Availability availability);
Availability availability_of(const UpstreamSummary& summary);

/// Shared by main and all workers, immovable. Lock-free throughout; what is marked main is for the main
/// thread only.
class UpstreamState {
 public:
  /// Main. `servers`: at most max_servers, and none for an upstream that waits to be discovered; a server may
  /// be shared with the UpstreamState of an earlier snapshot. An unknown policy name is a programmer's
  /// mistake. `earlier`: the same upstream's as of then, or null; what still runs under it counts in
  /// `total_active`, as it does on the shared servers.
  UpstreamState(const UpstreamSettings& settings, std::vector<std::shared_ptr<ServerState>> servers,
                const UpstreamState* earlier = nullptr);
  UpstreamState(const UpstreamState&) = delete;
  UpstreamState& operator=(const UpstreamState&) = delete;

  static constexpr std::uint32_t max_servers = (1U << 20U) - 1;

  const UpstreamSettings& settings() const { return settings_; }
  std::uint32_t server_count() const { return static_cast<std::uint32_t>(servers_.size()); }
  ServerState& server(std::uint32_t index) { return *servers_[index]; }
  const ServerState& server(std::uint32_t index) const { return *servers_[index]; }
  const std::shared_ptr<ServerState>& shared_server(std::uint32_t index) const { return servers_[index]; }

  /// Any thread: one per worker.
  std::unique_ptr<Selector> make_selector(std::uint64_t seed) { return policy_->make_selector(seed); }

  /// Main: what a Selector would choose just now. Chosen by the same code on a copy, so nothing is counted
  /// here and no turn is taken; random_two's answer is one of those that chance may give. Linear in the
  /// servers.
  std::optional<std::uint32_t> preview(const Choice& choice) const;

  /// Counts a request on a server that was not chosen by a Selector (say, by a sticky cookie).
  void acquire(std::uint32_t index);
  /// Ends a request counted by acquire() or Selector::choose_and_acquire(). Who waits for a place is woken.
  void release(std::uint32_t index);

  /// Requests under way on all servers.
  std::uint64_t total_active() const { return total_active_->value.load(std::memory_order_relaxed); }
  /// Moves whenever a server becomes eligible or stops being so, and when a weight changes.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  /// Main: a health check of this server has finished. True if its state flipped: log it, once.
  bool record_check(std::uint32_t index, bool passed, std::string_view reason);
  /// Main. Once it has returned no worker gives this server another request unless it is enabled; ask
  /// active() then whether it still has some. A server that was disabled begins anew when it no longer is, as
  /// its `initial` says: what the last check saw was long ago. True if the state was another.
  bool set_admin_state(std::uint32_t index, AdminState state);
  /// Main; 1 to max_weight. True if the weight was another.
  bool set_weight(std::uint32_t index, std::uint32_t weight);
  /// Main: what the configuration says, at a reload. A weight that was set meanwhile stays, unless the
  /// configuration has changed.
  void configure_weight(std::uint32_t index, std::uint32_t weight);
  /// Main: how many requests the server may have at once, by the configuration; at least 1. What runs goes on
  /// where it is fewer than there are.
  void configure_most_requests(std::uint32_t index, std::uint32_t most_requests);
  /// Workers: how an attempt ended, for the passive checks. Says if this call ejected the server.
  Ejection record_outcome(std::uint32_t index, Outcome outcome, std::int64_t now_ms);
  /// Whether `record_latency` is to be called.
  bool measures_latency() const { return measures_latency_; }
  /// Workers: a server's answer has begun, `latency_us` after the request. Errors are known by their outcome.
  void record_latency(std::uint32_t index, std::int64_t latency_us, std::int64_t now_ms) {
    servers_[index]->latency_.observe(latency_us, now_ms);
  }
  /// Main's ticker, some ten times a second: ends ejections whose time is over and returns those servers;
  /// also puts right what exchanges of an earlier snapshot have changed in shared servers, the places there
  /// included that they have freed. Linear in the servers.
  std::vector<std::uint32_t> expire_ejections(std::int64_t now_ms);

  std::uint32_t ejected_count() const { return outlier_.ejected_count(); }
  RetryBudget& retry_budget() { return retry_budget_; }
  /// The requests that wait for one of these servers.
  WaitingQueue& waiting() { return waiting_; }
  const WaitingQueue& waiting() const { return waiting_; }

  /// Counts, linear in the servers: for admin, and to decide what to do when nothing could be chosen.
  UpstreamSummary summary() const;

 private:
  friend class Selector;

  struct alignas(64) Total {
    std::atomic<std::uint64_t> value{0};
  };

  /// What main last knew of a server, to find what was changed through another UpstreamState.
  struct Seen {
    bool eligible = false;
    std::uint32_t weight = 0;
    bool operator==(const Seen&) const = default;
  };

  static std::uint64_t health_bits(const ServerState& server);
  void restart_health(ServerState& server);
  void eligibility_changed(std::uint32_t index);
  void note_seen(std::uint32_t index);

  const UpstreamSettings settings_;
  const std::vector<std::shared_ptr<ServerState>> servers_;
  const std::shared_ptr<Total> total_active_;
  Outlier outlier_;
  RetryBudget retry_budget_;
  WaitingQueue waiting_;
  std::vector<Seen> seen_;  // main: as of the last reconciliation
  std::unique_ptr<Policy> policy_;
  bool measures_latency_ = false;  // what the policy says
  alignas(64) std::atomic<std::uint64_t> generation_{1};
};

}  // namespace azulb::balance
