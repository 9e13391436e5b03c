// The order in which weighted round robin takes its turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace azulb::balance {

/// A cyclic sequence in which each member occurs exactly as often as its (reduced) weight, spread evenly:
/// after any number of turns a member has had its share to within one turn. It is what WF2Q does for packets:
/// of the members whose next turn is already due, the one whose turn must end first. Weights are divided by
/// their greatest common divisor, and scaled down where the cycle would be longer than max_length(). One
/// thread at a time; build() allocates nothing while the sum of weights is no greater than ever before.
class Rotation {
 public:
  /// Of those who will take turns, each at least 1; other weights may come later, more members may not.
  explicit Rotation(std::span<const std::uint32_t> weights);

  static std::uint32_t max_length(std::size_t members);

  /// `weights`: of the members, in their order. O(length log members); O(members) for equal weights.
  void build(std::span<const std::uint32_t> members, std::span<const std::uint32_t> weights);
  std::span<const std::uint32_t> turns() const { return turns_; }

 private:
  struct Due {
    std::uint64_t deadline;  // share of the cycle, in 2^-32
    std::uint32_t slot;      // position in `members`
    bool operator>(const Due& other) const {
      return deadline != other.deadline ? deadline > other.deadline : slot > other.slot;
    }
  };

  std::uint32_t reduce_weights(std::span<const std::uint32_t> weights);
  void push_due(std::uint32_t slot);
  void wait_until(std::uint32_t slot, std::uint32_t turn);

  std::size_t most_members_;
  std::vector<std::uint32_t> turns_;
  // Scratch of build(), kept so that it allocates nothing; the first three by position in `members`.
  std::vector<std::uint32_t> reduced_;
  std::vector<std::uint32_t> taken_;
  std::vector<std::uint32_t> next_waiting_;
  std::vector<std::uint32_t> first_waiting_;  // by turn at which it becomes due
  std::vector<Due> due_;                      // a heap
};

}  // namespace azulb::balance
