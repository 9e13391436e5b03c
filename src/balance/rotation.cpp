#include "azulb/balance/rotation.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

namespace azulb::balance {

namespace {

constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();

}  // namespace

std::uint32_t Rotation::max_length(std::size_t members) {
  constexpr std::size_t shortest_limit = 8192;
  return static_cast<std::uint32_t>(std::max(shortest_limit, 8 * members));
}

Rotation::Rotation(std::span<const std::uint32_t> weights) : most_members_(weights.size()) {
  const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  const auto longest = static_cast<std::size_t>(std::min<std::uint64_t>(sum, max_length(most_members_)));
  turns_.reserve(longest);
  first_waiting_.reserve(longest + 1);
  reduced_.reserve(most_members_);
  taken_.reserve(most_members_);
  next_waiting_.reserve(most_members_);
  due_.reserve(most_members_);
}

void Rotation::build(std::span<const std::uint32_t> members, std::span<const std::uint32_t> weights) {
  turns_.clear();
  const std::uint32_t length = reduce_weights(weights);
  if (length == members.size()) {
    turns_.assign(members.begin(), members.end());
    return;
  }
  taken_.assign(members.size(), 0);
  next_waiting_.assign(members.size(), nobody);
  first_waiting_.assign(length, nobody);
  due_.clear();
  for (std::uint32_t slot = 0; slot < members.size(); ++slot)
    wait_until(slot, 0);
  for (std::uint32_t turn = 0; turn < length; ++turn) {
    for (std::uint32_t slot = first_waiting_[turn]; slot != nobody; slot = next_waiting_[slot])
      push_due(slot);
    // Never empty: turns taken and shares due both add up to `turn`, so somebody has had no more than its
    // share.
    std::pop_heap(due_.begin(), due_.end(), std::greater<>());
    const std::uint32_t slot = due_.back().slot;
    due_.pop_back();
    turns_.push_back(members[slot]);
    const std::uint64_t taken = ++taken_[slot];
    if (taken == reduced_[slot]) continue;
    const std::uint64_t due_turn = (taken * length + reduced_[slot] - 1) / reduced_[slot];
    wait_until(slot, std::max(turn + 1, static_cast<std::uint32_t>(due_turn)));
  }
}

/// Fills reduced_ and returns its sum, at most max_length().
std::uint32_t Rotation::reduce_weights(std::span<const std::uint32_t> weights) {
  std::uint32_t divisor = 0;
  std::uint64_t sum = 0;
  for (const std::uint32_t weight : weights) {
    divisor = std::gcd(divisor, weight);
    sum += weight;
  }
  const std::uint64_t longest = max_length(most_members_);
  const bool scale = divisor > 0 && sum / divisor > longest;
  // Each member keeps at least one turn, which may add one turn a member to what scaling gives.
  const std::uint64_t target = longest - weights.size();
  reduced_.clear();
  std::uint64_t length = 0;
  for (const std::uint64_t weight : weights) {
    const std::uint64_t reduced =
        scale ? std::max<std::uint64_t>(1, weight * target / sum) : weight / divisor;
    reduced_.push_back(static_cast<std::uint32_t>(reduced));
    length += reduced;
  }
  return static_cast<std::uint32_t>(length);
}

void Rotation::push_due(std::uint32_t slot) {
  const std::uint64_t deadline = ((std::uint64_t{taken_[slot]} + 1) << 32U) / reduced_[slot];
  due_.push_back(Due{deadline, slot});
  std::push_heap(due_.begin(), due_.end(), std::greater<>());
}

void Rotation::wait_until(std::uint32_t slot, std::uint32_t turn) {
  next_waiting_[slot] = first_waiting_[turn];
  first_waiting_[turn] = slot;
}

}  // namespace azulb::balance
