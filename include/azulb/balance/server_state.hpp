// What is known of one server, shared by main and all workers. Held by shared_ptr and taken over by the next
// snapshot, so that health, counts and ejections live on through a reload.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "azulb/balance/health_tracker.hpp"
#include "azulb/balance/peak_latency.hpp"

namespace azulb::balance {

/// What the people who run azulb want of a server, changed while it runs.
enum class AdminState : std::uint8_t {
  enabled,
  draining,  // is given nothing new; what runs goes on, health checks too
  disabled,  // as draining, and it is not checked either
};

/// "enabled", "draining", "disabled".
std::string_view to_string(AdminState state);

/// One atomic word holds all that choosing looks at, so that a choice is one compare-and-swap and eligibility
/// can never be torn between two fields.
struct ServerWord {
  static constexpr std::uint64_t active_mask = (1ULL << 24U) - 1;  // requests under way
  static constexpr unsigned health_shift = 24;                     // two bits: Health
  static constexpr std::uint64_t health_mask = 3ULL << health_shift;
  static constexpr std::uint64_t ejected_bit = 1ULL << 26U;
  static constexpr unsigned admin_shift = 27;  // two bits: AdminState
  static constexpr std::uint64_t admin_mask = 3ULL << admin_shift;
  static constexpr unsigned stamp_shift = 29;  // when it was last chosen; counts choices, wraps at 2^35

  std::uint64_t bits = 0;

  std::uint32_t active() const { return static_cast<std::uint32_t>(bits & active_mask); }
  Health health() const { return static_cast<Health>((bits & health_mask) >> health_shift); }
  bool ejected() const { return (bits & ejected_bit) != 0; }
  AdminState admin_state() const { return static_cast<AdminState>((bits & admin_mask) >> admin_shift); }
  bool enabled() const { return (bits & admin_mask) == 0; }
  bool eligible() const {
    return (bits & (health_mask | ejected_bit | admin_mask)) == static_cast<std::uint64_t>(Health::up)
                                                                    << health_shift;
  }
  std::uint64_t stamp() const { return bits >> stamp_shift; }
};

inline constexpr std::uint32_t max_weight = 65535;
/// The most requests that a server is given at once, if nothing else is said.
inline constexpr std::uint32_t unlimited_requests = std::numeric_limits<std::uint32_t>::max();

struct ServerSettings {
  std::string name;          // as written, else the address's text; unique within its upstream
  std::string address;       // text, for logs and metrics
  std::uint32_t weight = 1;  // 1..max_weight
  std::uint32_t most_requests = unlimited_requests;  // under way at once, all workers together; at least 1
  bool checked = false;  // has active health checks; a server without is always up
  HealthSettings health;
};

/// Reading is for any thread. Changes go through UpstreamState, which keeps its policy and its totals true.
class alignas(64) ServerState {
 public:
  explicit ServerState(const ServerSettings& settings, const PeakLatency& latency = {});
  ServerState(const ServerState&) = delete;
  ServerState& operator=(const ServerState&) = delete;

  /// One that begins as this one is now and goes on by itself.
  std::shared_ptr<ServerState> copy() const;

  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }
  std::uint32_t weight() const { return weight_.load(std::memory_order_seq_cst); }
  /// As the configuration has it, whatever was set since.
  std::uint32_t configured_weight() const { return configured_weight_; }
  /// Requests that it may have under way at once, all workers together.
  std::uint32_t most_requests() const { return most_requests_.load(std::memory_order_relaxed); }
  bool checked() const { return checked_; }

  ServerWord word() const { return ServerWord{word_.load(std::memory_order_seq_cst)}; }
  std::uint32_t active() const { return word().active(); }
  Health health() const { return word().health(); }
  bool ejected() const { return word().ejected(); }
  AdminState admin_state() const { return word().admin_state(); }
  /// Up, enabled and not ejected: may be chosen.
  bool eligible() const { return word().eligible(); }
  /// As its word was: whether it could take another request.
  bool has_room(ServerWord word) const { return word.eligible() && word.active() < most_requests(); }
  /// Monotonic milliseconds; 0 when not ejected.
  std::int64_t ejected_until_ms() const { return ejected_until_ms_.load(std::memory_order_acquire); }
  std::uint32_t consecutive_errors() const { return consecutive_errors_.load(std::memory_order_relaxed); }
  std::uint32_t consecutive_5xx() const { return consecutive_5xx_.load(std::memory_order_relaxed); }
  /// Known only where the policy measures it.
  const PeakLatency& latency() const { return latency_; }
  std::uint32_t ejections_in_a_row() const { return ejections_in_a_row_.load(std::memory_order_relaxed); }

  /// Main thread only: the prober's state machine and its reasons.
  const HealthTracker& health_tracker() const { return health_tracker_; }

 private:
  friend class UpstreamState;
  friend class Outlier;
  friend class ServerLoad;

  std::atomic<std::uint64_t> word_;
  std::atomic<std::int64_t> ejected_until_ms_{0};
  std::atomic<std::uint32_t> consecutive_errors_{0};
  std::atomic<std::uint32_t> consecutive_5xx_{0};
  std::atomic<std::uint32_t> ejections_in_a_row_{0};
  PeakLatency latency_;
  std::atomic<std::uint32_t> weight_;
  std::uint32_t configured_weight_;
  std::atomic<std::uint32_t> most_requests_;
  bool checked_;
  std::string name_;
  std::string address_;
  HealthSettings health_settings_;  // those that hold: a server without checks is up
  HealthTracker health_tracker_;
};

/// How policies count a request on a server they chose. Any thread, lock-free.
class ServerLoad {
 public:
  /// Counts unconditionally.
  static void begin(ServerState& server);
  static constexpr std::uint32_t unlimited = unlimited_requests;
  /// Counts if the server is eligible and would then have at most `limit` requests, and no more than it may
  /// have, in one step: a server that was taken out is never given another.
  static bool begin_within(ServerState& server, std::uint32_t limit);
  /// Counts and stamps if the word is still `expected`, of which the caller knows that there is room.
  static bool begin_if(ServerState& server, ServerWord expected, std::uint64_t stamp);
  static void end(ServerState& server);
};

}  // namespace azulb::balance
