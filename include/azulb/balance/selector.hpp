// Choosing a server: what a worker calls (Selector), what a policy implements (Policy), and the table of
// policies.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace azulb::balance {

class UpstreamState;

struct Choice {
  std::uint64_t hash = 0;                  // hash_key() of the request's key; only policy hash reads it
  std::span<const std::uint32_t> tried{};  // indexes of servers that this exchange has already tried
};

/// Chooses servers of one upstream for one worker. One thread at a time; allocates nothing after
/// construction; must not outlive its UpstreamState.
class Selector {
 public:
  virtual ~Selector() = default;

  /// Chooses an eligible server and counts the request on it, in one step: two workers can't both take the
  /// last place, nor exceed what a server may have. Give it back with UpstreamState::release(). A server in
  /// `tried` is chosen only when every eligible one that has room is in it, and no other is up and merely
  /// ejected. Nothing is counted and the answer is empty only if no eligible server has room.
  std::optional<std::uint32_t> choose_and_acquire(const Choice& choice);

  /// Servers, table entries and tree nodes looked at so far by choosing (rebuilding a table after a change of
  /// eligibility is not choosing).
  std::uint64_t probes() const { return probes_; }

 protected:
  explicit Selector(UpstreamState& upstream) : upstream_(upstream) {}

  /// Chooses an eligible server with room, not in `choice.tried`, and counts the request with ServerLoad.
  virtual std::optional<std::uint32_t> place(const Choice& choice) = 0;

  UpstreamState& upstream_;
  std::uint64_t probes_ = 0;

 private:
  /// For a retry whose every eligible server has been tried: one that is up and was only ejected by passive
  /// checks is a better guess than one that has just failed. Linear; rare.
  std::optional<std::uint32_t> place_on_ejected(const Choice& choice);
};

/// Whether `index` is in `choice.tried`. Linear: an exchange makes few attempts.
inline bool is_tried(const Choice& choice, std::uint32_t index) {
  for (const std::uint32_t tried : choice.tried) {
    if (tried == index) return true;
  }
  return false;
}

/// The part of a policy that all workers share; owned by the UpstreamState. Called by any thread, lock-free.
class Policy {
 public:
  virtual ~Policy() = default;

  /// Any thread, once per worker. `seed` is the selector's only source of randomness.
  virtual std::unique_ptr<Selector> make_selector(std::uint64_t seed) = 0;
  /// The active count or the eligibility of a server has changed.
  virtual void server_changed(std::uint32_t index) { static_cast<void>(index); }
  /// Whether it wants to be told how long servers take to answer: UpstreamState::record_latency().
  virtual bool measures_latency() const { return false; }
  /// Main thread only; the generation moves afterwards.
  virtual void weight_changed(std::uint32_t index) { server_changed(index); }
  /// Goes on where another policy of the same kind, over the same servers, is now.
  virtual void continue_from(const Policy& other) { static_cast<void>(other); }
  /// From main's ticker: servers may have changed without a call of server_changed (by an exchange that began
  /// with an earlier snapshot).
  virtual void reconcile() {}
};

struct PolicyEntry {
  std::string_view name;  // as `balance` in the configuration
  std::unique_ptr<Policy> (*make)(UpstreamState& upstream);
};

/// The table, in src/balance/policies.cpp.
std::span<const PolicyEntry> policies();
/// Null if there is no policy of that name.
const PolicyEntry* find_policy(std::string_view name);

}  // namespace azulb::balance
