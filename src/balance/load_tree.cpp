#include "azulb/balance/load_tree.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace azulb::balance {

// Every atomic access here is sequentially consistent: the argument in the header needs one order over all
// nodes.

LoadTree::LoadTree(std::vector<ServerState*> servers, Measure measure)
    : servers_(std::move(servers)),
      measure_(measure),
      leaf_base_(std::bit_ceil(std::max<std::size_t>(2, servers_.size()))),
      nodes_(std::make_unique<std::atomic<std::uint64_t>[]>(leaf_base_)) {
  for (std::size_t position = 0; position < leaf_base_; ++position)
    nodes_[position].store(none);
  // Stamps of servers taken over from an earlier snapshot are to stay in the past.
  for (const ServerState* server : servers_) {
    next_stamp_.store(std::max(next_stamp_.load(), server->word().stamp() + 1));
  }
  rebuild();
}

/// Changes with every acquire (new stamp), release, and change of eligibility.
std::uint64_t LoadTree::tag_of(ServerWord word) {
  return ((word.bits * 0x9e3779b97f4a7c15U) >> 32U) & tag_mask;
}

/// Below 2^47, so that it may be multiplied by a weight.
std::uint64_t LoadTree::load_of(const Candidate& candidate) const {
  const std::uint64_t requests = std::uint64_t{candidate.word.active()} + 1;
  if (measure_ == Measure::requests) return requests;
  const std::uint32_t latency_us = servers_[candidate.index]->latency().value_us();
  if (latency_us != 0) return requests * latency_us;
  return requests == 1 ? 0 : requests * PeakLatency::longest_us;
}

bool LoadTree::is_better(const Candidate& left, const Candidate& right) const {
  const std::uint64_t left_load = load_of(left) * servers_[right.index]->weight();
  const std::uint64_t right_load = load_of(right) * servers_[left.index]->weight();
  if (left_load != right_load) return left_load < right_load;
  if (left.word.stamp() == right.word.stamp()) return left.index < right.index;
  constexpr unsigned stamp_bits = 64 - ServerWord::stamp_shift;
  // Wraps, so the difference is what counts.
  const std::uint64_t ahead = (right.word.stamp() - left.word.stamp()) & ((1ULL << stamp_bits) - 1);
  return ahead < 1ULL << (stamp_bits - 1);
}

LoadTree::Candidate LoadTree::better(const Candidate& left, const Candidate& right) const {
  if (left.index == none) return right;
  if (right.index == none) return left;
  return is_better(left, right) ? left : right;
}

LoadTree::Candidate LoadTree::leaf(std::size_t position) const {
  const std::size_t index = position - leaf_base_;
  if (index >= servers_.size()) return Candidate{none, {}};
  const ServerWord word = servers_[index]->word();
  return servers_[index]->has_room(word) ? Candidate{static_cast<std::uint32_t>(index), word}
                                         : Candidate{none, {}};
}

/// The best server below a leaf or node, with a word that the node was decided on.
LoadTree::Candidate LoadTree::current_winner(std::size_t position) {
  if (position >= leaf_base_) return leaf(position);
  // More than a few rounds means that others change this node all the time, and renew what is above it.
  constexpr int most_rounds = 4;
  Candidate candidate{none, {}};
  for (int round = 0; round < most_rounds; ++round) {
    const Node node{nodes_[position].load()};
    if (node.winner() == none) return Candidate{none, {}};
    const ServerState& server = *servers_[node.winner()];
    const ServerWord word = server.word();
    candidate = server.has_room(word) ? Candidate{node.winner(), word} : Candidate{none, {}};
    if (tag_of(word) == node.tag()) break;
    renew(position);
  }
  return candidate;
}

bool LoadTree::renew(std::size_t position) {
  std::uint64_t before = nodes_[position].load();
  const Candidate winner = better(current_winner(2 * position), current_winner(2 * position + 1));
  const std::uint64_t version = Node{before}.version() + 1;
  std::uint64_t after = (version << version_shift) | winner.index;
  if (winner.index != none) after |= tag_of(winner.word) << tag_shift;
  return nodes_[position].compare_exchange_strong(before, after);
}

void LoadTree::renew_surely(std::size_t position) {
  if (!renew(position)) renew(position);
}

void LoadTree::update(std::uint32_t index) {
  for (std::size_t position = (leaf_base_ + index) / 2; position > 0; position /= 2)
    renew_surely(position);
}

void LoadTree::rebuild() {
  for (std::size_t position = leaf_base_ - 1; position > 0; --position)
    renew_surely(position);
}

std::optional<std::uint32_t> LoadTree::choose(const Choice& choice, std::uint64_t& probes) {
  // Each round lost is a choice that another worker has made. The limit only bounds the time of an unlucky
  // one.
  constexpr int most_rounds = 64;
  for (int round = 0; round < most_rounds; ++round) {
    const Candidate best = best_untried(1, choice, probes);
    if (best.index == none) break;
    if (take(best)) {
      probes += static_cast<std::uint64_t>(std::countr_zero(leaf_base_));
      return best.index;
    }
    update(best.index);
  }
  return choose_by_scan(choice, probes);
}

/// Nobody has room, or a change is just on its way up: look at the servers themselves.
std::optional<std::uint32_t> LoadTree::choose_by_scan(const Choice& choice, std::uint64_t& probes) {
  for (;;) {
    Candidate best{none, {}};
    for (std::uint32_t index = 0; index < servers_.size(); ++index) {
      ++probes;
      if (!is_tried(choice, index)) best = better(best, leaf(leaf_base_ + index));
    }
    if (best.index == none) return std::nullopt;
    const bool counted = ServerLoad::begin_within(*servers_[best.index], ServerLoad::unlimited);
    update(best.index);
    if (counted) return best.index;  // else it has just been taken out
  }
}

bool LoadTree::take(const Candidate& candidate) {
  if (!ServerLoad::begin_if(*servers_[candidate.index], candidate.word, next_stamp_.fetch_add(1)))
    return false;
  update(candidate.index);
  return true;
}

bool LoadTree::covers_tried(std::size_t position, const Choice& choice) const {
  const auto levels_above_leaves =
      static_cast<unsigned>(std::bit_width(leaf_base_) - std::bit_width(position));
  return std::any_of(choice.tried.begin(), choice.tried.end(), [&](std::uint32_t index) {
    return (leaf_base_ + index) >> levels_above_leaves == position;
  });
}

/// Only the paths to tried servers are opened, so this looks at no more than two nodes a level for each of
/// them.
LoadTree::Candidate LoadTree::best_untried(std::size_t position, const Choice& choice,
                                           std::uint64_t& probes) {
  ++probes;
  if (!covers_tried(position, choice)) return current_winner(position);
  if (position >= leaf_base_) return Candidate{none, {}};
  const Candidate left = best_untried(2 * position, choice, probes);
  const Candidate right = best_untried(2 * position + 1, choice, probes);
  return better(left, right);
}

}  // namespace azulb::balance
