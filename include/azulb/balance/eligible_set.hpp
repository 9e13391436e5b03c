// The servers of an upstream that may be chosen, as one worker last saw them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "azulb/balance/selector.hpp"
#include "azulb/balance/upstream_state.hpp"

namespace azulb::balance {

/// One thread at a time. Allocates only in its constructor.
class EligibleSet {
 public:
  explicit EligibleSet(const UpstreamState& upstream);

  /// Looks at the servers again if the generation has moved. True if it had: rebuild what depends on the
  /// members or their weights.
  bool refresh();
  /// Indexes, ascending.
  std::span<const std::uint32_t> members() const { return members_; }
  /// Of the members, in their order.
  std::span<const std::uint32_t> weights() const { return weights_; }
  /// Whether some member is not in `choice.tried`.
  bool has_untried(const Choice& choice) const {
    return members_.size() > choice.tried.size() || any_untried(choice);
  }

 private:
  bool any_untried(const Choice& choice) const;

  const UpstreamState& upstream_;
  std::uint64_t generation_ = 0;
  std::vector<std::uint32_t> members_;
  std::vector<std::uint32_t> weights_;
};

}  // namespace azulb::balance
