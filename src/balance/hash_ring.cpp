#include "azulb/balance/hash_ring.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace azulb::balance {

namespace {

std::uint64_t points_for(std::uint32_t weight, double points_per_weight) {
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(weight * points_per_weight));
}

double fitting_points_per_weight(std::span<const HashRing::Member> members) {
  double points_per_weight = HashRing::points_per_weight;
  const std::uint64_t limit = HashRing::max_points(members.size());
  for (;;) {
    std::uint64_t sum = 0;
    for (const auto& member : members)
      sum += points_for(member.weight, points_per_weight);
    if (sum <= limit) return points_per_weight;
    points_per_weight /= 2;
  }
}

}  // namespace

std::uint64_t HashRing::max_points(std::size_t members) {
  return std::max<std::uint64_t>(1U << 18U, 32 * std::uint64_t{members});
}

HashRing::HashRing(std::span<const Member> members) {
  const double density = fitting_points_per_weight(members);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> points;
  for (std::uint32_t index = 0; index < members.size(); ++index) {
    const Member& member = members[index];
    const std::uint64_t count = points_for(member.weight, density);
    for (std::uint64_t number = 0; number < count; ++number) {
      points.emplace_back(XXH3_64bits_withSeed(member.name.data(), member.name.size(), number), index);
    }
  }
  std::sort(points.begin(), points.end());
  positions_.reserve(points.size());
  owners_.reserve(points.size());
  for (const auto& [position, owner] : points) {
    positions_.push_back(position);
    owners_.push_back(owner);
  }
  const std::uint64_t buckets = std::max<std::uint64_t>(2, std::bit_ceil(points.size()));
  bucket_shift_ = 64U - static_cast<unsigned>(std::countr_zero(buckets));
  first_in_bucket_.reserve(buckets);
  std::uint32_t point = 0;
  for (std::uint64_t bucket = 0; bucket < buckets; ++bucket) {
    while (point < positions_.size() && positions_[point] < bucket << bucket_shift_)
      ++point;
    first_in_bucket_.push_back(point);
  }
}

std::uint32_t HashRing::find(std::uint64_t hash, std::uint64_t& probes) const {
  std::uint32_t point = first_in_bucket_[hash >> bucket_shift_];
  ++probes;
  while (point < size() && positions_[point] < hash) {
    ++point;
    ++probes;
  }
  return point == size() ? 0 : point;
}

}  // namespace azulb::balance
