// Consistent hashing on a ring (hash_ring.hpp says why), with bounded loads after Mirrokni, Thorup and
// Zadimoghaddam: with `hash_load_factor` c, no server takes a request that would give it more than c times
// its weighted share of all requests, the one to be placed included, rounded up; the next on the ring takes
// it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>

#include "azulb/balance/eligible_set.hpp"
#include "azulb/balance/hash_ring.hpp"
#include "azulb/balance/upstream_state.hpp"
#include "policies.hpp"

namespace azulb::balance {

namespace {

constexpr std::uint32_t unlimited = std::numeric_limits<std::uint32_t>::max();

/// For every point of the ring, where a walk goes on: from a point of an eligible server to the next point of
/// another eligible server, from any other point to the next point of an eligible server. So a walk makes one
/// step a server, however many have failed. Rebuilt when eligibility changes, without allocation.
class RingWalk {
 public:
  RingWalk(std::shared_ptr<const HashRing> ring, std::size_t servers)
      : ring_(std::move(ring)), eligible_(servers), next_(ring_->size()) {}

  const std::shared_ptr<const HashRing>& ring() const { return ring_; }

  void build(std::span<const std::uint32_t> members) {
    std::fill(eligible_.begin(), eligible_.end(), false);
    for (const std::uint32_t member : members)
      eligible_[member] = true;
    std::uint32_t nearest = unlimited;  // points behind the present one: the nearest eligible,
    std::uint32_t other = unlimited;    // and the nearest of another server than that
    for (int round = 0; round < 2; ++round) {
      for (std::uint32_t point = ring_->size(); point-- > 0;) {
        const std::uint32_t owner = ring_->owner(point);
        if (!eligible_[owner]) {
          next_[point] = nearest;
          continue;
        }
        if (nearest != unlimited && ring_->owner(nearest) != owner) other = nearest;
        next_[point] = other == unlimited ? point : other;
        nearest = point;
      }
    }
  }

  /// The first eligible point at or after `point`; there must be an eligible server.
  std::uint32_t first(std::uint32_t point) const {
    return eligible_[ring_->owner(point)] ? point : next_[point];
  }
  std::uint32_t next(std::uint32_t point) const { return next_[point]; }

 private:
  std::shared_ptr<const HashRing> ring_;
  std::vector<bool> eligible_;
  std::vector<std::uint32_t> next_;
};

/// The ring by the servers' present weights. Shared by all workers; the lock is taken once by each of them
/// after eligibility or a weight has changed, never for a request.
class CurrentRing {
 public:
  explicit CurrentRing(const UpstreamState& upstream) : upstream_(upstream) { renew(); }

  void renew() {
    std::vector<HashRing::Member> members;
    for (std::uint32_t index = 0; index < upstream_.server_count(); ++index)
      members.push_back(HashRing::Member{upstream_.server(index).name(), upstream_.server(index).weight()});
    auto ring = std::make_shared<const HashRing>(members);
    const std::lock_guard lock(mutex_);
    ring_.swap(ring);
  }

  std::shared_ptr<const HashRing> get() const {
    const std::lock_guard lock(mutex_);
    return ring_;
  }

 private:
  const UpstreamState& upstream_;
  mutable std::mutex mutex_;
  std::shared_ptr<const HashRing> ring_;
};

class HashSelector final : public Selector {
 public:
  HashSelector(UpstreamState& upstream, const CurrentRing& ring)
      : Selector(upstream),
        ring_(ring),
        eligible_(upstream),
        walk_(ring.get(), upstream.server_count()),
        load_factor_(upstream.settings().hash_load_factor) {}

 private:
  std::optional<std::uint32_t> place(const Choice& choice) override {
    if (eligible_.refresh()) rebuild();
    if (!eligible_.has_untried(choice)) return std::nullopt;
    const std::uint32_t start = walk_.first(walk_.ring()->find(choice.hash, probes_));
    if (load_factor_ > 0.0) {
      const double total = static_cast<double>(upstream_.total_active());
      limit_per_weight_ = std::max(1.0, load_factor_) * total / eligible_weight_;
      if (const auto index = place_from(start, choice, true)) return index;
    }
    // Unbounded; or all that have room were tried, and another server matters more than an even load.
    return place_from(start, choice, false);
  }

  std::optional<std::uint32_t> place_from(std::uint32_t start, const Choice& choice, bool bounded) {
    const HashRing& ring = *walk_.ring();
    std::uint32_t point = start;
    for (std::uint32_t steps = 0; steps < ring.size(); ++steps) {
      ++probes_;
      const std::uint32_t index = ring.owner(point);
      ServerState& server = upstream_.server(index);
      const std::uint32_t limit = bounded ? limit_of(server) : unlimited;
      if (!is_tried(choice, index) && ServerLoad::begin_within(server, limit)) return index;
      const std::uint32_t next = walk_.next(point);
      if (next == point) break;  // the only eligible server
      point = next;
    }
    return std::nullopt;
  }

  std::uint32_t limit_of(const ServerState& server) const {
    // A bound that is whole in theory must not be rounded up for a rounding error.
    return static_cast<std::uint32_t>(std::max(1.0, std::ceil(limit_per_weight_ * server.weight() - 1e-9)));
  }

  void rebuild() {
    if (auto ring = ring_.get(); ring != walk_.ring())
      walk_ = RingWalk(std::move(ring), upstream_.server_count());
    walk_.build(eligible_.members());
    const auto weights = eligible_.weights();
    eligible_weight_ = std::accumulate(weights.begin(), weights.end(), 0.0);
  }

  const CurrentRing& ring_;
  EligibleSet eligible_;
  RingWalk walk_;
  double load_factor_;
  double eligible_weight_ = 0.0;
  double limit_per_weight_ = 0.0;
};

class Hash final : public Policy {
 public:
  explicit Hash(UpstreamState& upstream) : upstream_(upstream), ring_(upstream) {}

  std::unique_ptr<Selector> make_selector(std::uint64_t /*seed*/) override {
    return std::make_unique<HashSelector>(upstream_, ring_);
  }
  void weight_changed(std::uint32_t /*index*/) override { ring_.renew(); }

 private:
  UpstreamState& upstream_;
  CurrentRing ring_;
};

}  // namespace

std::unique_ptr<Policy> make_hash(UpstreamState& upstream) {
  return std::make_unique<Hash>(upstream);
}

}  // namespace azulb::balance
