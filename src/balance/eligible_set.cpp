#include "azulb/balance/eligible_set.hpp"

#include <algorithm>

namespace azulb::balance {

EligibleSet::EligibleSet(const UpstreamState& upstream) : upstream_(upstream) {
  members_.reserve(upstream.server_count());
  weights_.reserve(upstream.server_count());
}

bool EligibleSet::refresh() {
  // Read before the servers: a change made meanwhile moves the generation again.
  const std::uint64_t generation = upstream_.generation();
  if (generation == generation_) return false;
  generation_ = generation;
  members_.clear();
  weights_.clear();
  for (std::uint32_t index = 0; index < upstream_.server_count(); ++index) {
    const ServerState& server = upstream_.server(index);
    if (!server.eligible()) continue;
    members_.push_back(index);
    weights_.push_back(server.weight());
  }
  return true;
}

bool EligibleSet::any_untried(const Choice& choice) const {
  return std::any_of(members_.begin(), members_.end(),
                     [&choice](std::uint32_t index) { return !is_tried(choice, index); });
}

}  // namespace azulb::balance
