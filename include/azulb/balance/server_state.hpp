// What is known of one server, shared by main and all workers. Held by shared_ptr and taken over by the next
// snapshot, so that health, counts and ejections live on through a reload.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "azulb/balance/health_tracker.hpp"

namespace azulb::balance {

/// One atomic word holds all that choosing looks at, so that a choice is one compare-and-swap and eligibility
/// can never be torn between two fields.
struct ServerWord {
  static constexpr std::uint64_t active_mask = (1ULL << 24U) - 1;  // requests under way
  static constexpr unsigned health_shift = 24;                     // two bits: Health
  static constexpr std::uint64_t health_mask = 3ULL << health_shift;
  static constexpr std::uint64_t ejected_bit = 1ULL << 26U;
  static constexpr unsigned stamp_shift = 27;  // when it was last chosen; counts choices, wraps at 2^37

  std::uint64_t bits = 0;

  std::uint32_t active() const { return static_cast<std::uint32_t>(bits & active_mask); }
  Health health() const { return static_cast<Health>((bits & health_mask) >> health_shift); }
  bool ejected() const { return (bits & ejected_bit) != 0; }
  bool eligible() const {
    return (bits & (health_mask | ejected_bit)) == static_cast<std::uint64_t>(Health::up) << health_shift;
  }
  std::uint64_t stamp() const { return bits >> stamp_shift; }
};

struct ServerSettings {
  std::string name;          // as written, else the address's text; unique within its upstream
  std::string address;       // text, for logs and metrics
  std::uint32_t weight = 1;  // 1..65535
  bool checked = false;      // has active health checks; a server without is always up
  HealthSettings health;
};

/// Reading is for any thread. Changes go through UpstreamState, which keeps its policy and its totals true.
class alignas(64) ServerState {
 public:
  explicit ServerState(const ServerSettings& settings);
  ServerState(const ServerState&) = delete;
  ServerState& operator=(const ServerState&) = delete;

  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }
  std::uint32_t weight() const { return weight_; }
  bool checked() const { return checked_; }

  ServerWord word() const { return ServerWord{word_.load(std::memory_order_seq_cst)}; }
  std::uint32_t active() const { return word().active(); }
  Health health() const { return word().health(); }
  bool ejected() const { return word().ejected(); }
  /// Up and not ejected: may be chosen.
  bool eligible() const { return word().eligible(); }
  /// Monotonic milliseconds; 0 when not ejected.
  std::int64_t ejected_until_ms() const { return ejected_until_ms_.load(std::memory_order_acquire); }
  std::uint32_t consecutive_errors() const { return consecutive_errors_.load(std::memory_order_relaxed); }
  std::uint32_t consecutive_5xx() const { return consecutive_5xx_.load(std::memory_order_relaxed); }
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
  std::uint32_t weight_;
  bool checked_;
  std::string name_;
  std::string address_;
  HealthTracker health_tracker_;
};

/// How policies count a request on a server they chose. Any thread, lock-free.
class ServerLoad {
 public:
  /// Counts unconditionally.
  static void begin(ServerState& server);
  /// Counts if the server is eligible and would then have at most `limit` requests.
  static bool begin_within(ServerState& server, std::uint32_t limit);
  /// Counts and stamps if the word is still `expected`.
  static bool begin_if(ServerState& server, ServerWord expected, std::uint64_t stamp);
  static void end(ServerState& server);
};

}  // namespace azulb::balance
