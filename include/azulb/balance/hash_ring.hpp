// The ring of consistent hashing.
//
// A ring and not Maglev: when a server goes, exactly its keys move and no others, and bounded loads need a
// "next" server, which a ring has for every key and a Maglev table has not. What Maglev is better at, a
// look-up of constant time, the ring gets from an index on the top bits of the position; evenness it gets
// from 256 points a server.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace azulb::balance {

/// Immutable; any thread. A server's points derive from its name alone and their number from its weight, so
/// that they stay where they are when other servers come and go. (Only when the sum of weights passes a power
/// of two of the limit do all servers drop, or gain, every other point.)
class HashRing {
 public:
  struct Member {
    std::string name;
    std::uint32_t weight;
  };

  explicit HashRing(std::span<const Member> members);

  std::uint32_t size() const { return static_cast<std::uint32_t>(positions_.size()); }
  /// The member that a point belongs to.
  std::uint32_t owner(std::uint32_t point) const { return owners_[point]; }
  /// The first point at or after `hash`, around the end. Adds the points looked at to `probes`.
  std::uint32_t find(std::uint64_t hash, std::uint64_t& probes) const;

  static constexpr std::uint32_t points_per_weight = 256;
  /// Of all points together; past it points_per_weight is halved until they fit.
  static std::uint64_t max_points(std::size_t members);

 private:
  std::vector<std::uint64_t> positions_;  // ascending
  std::vector<std::uint32_t> owners_;
  std::vector<std::uint32_t> first_in_bucket_;  // by the top bits of the position
  unsigned bucket_shift_ = 63;
};

}  // namespace azulb::balance
