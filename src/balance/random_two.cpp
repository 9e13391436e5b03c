// The power of two choices: two weighted random picks, and of these the one with fewer requests for its
// weight.
#include "azulb/balance/alias_table.hpp"
#include "azulb/balance/eligible_set.hpp"
#include "azulb/balance/upstream_state.hpp"
#include "azulb/base/random.hpp"
#include "policies.hpp"

namespace azulb::balance {

namespace {

class RandomTwoSelector final : public Selector {
 public:
  RandomTwoSelector(UpstreamState& upstream, std::uint64_t seed)
      : Selector(upstream), eligible_(upstream), table_(upstream.server_count()), random_(seed) {}

 private:
  std::optional<std::uint32_t> place(const Choice& choice) override {
    // Each further round follows a server that was taken out between being picked and being counted on.
    for (;;) {
      if (eligible_.refresh()) table_.build(eligible_.members(), eligible_.weights());
      if (!eligible_.has_untried(choice)) return std::nullopt;
      const std::optional<std::uint32_t> best = pick(choice);
      if (!best) return std::nullopt;
      if (ServerLoad::begin_within(upstream_.server(*best), ServerLoad::unlimited)) return best;
    }
  }

  std::optional<std::uint32_t> pick(const Choice& choice) {
    constexpr int most_picks = 8;
    std::optional<std::uint32_t> best;
    std::optional<std::uint32_t> second;
    for (int i = 0; i < most_picks && !second; ++i) {
      const std::uint32_t index = table_.pick(random_);
      if (!usable(choice, index) || index == best) continue;
      (best ? second : best) = index;
    }
    // Where one server has nearly all the weight, was tried or is just gone, or of a few, chance may not do.
    if (!best) best = first_usable(choice, std::nullopt);
    if (best && !second && eligible_.members().size() > 1) second = first_usable(choice, best);
    if (second && is_less_loaded(*second, *best)) best = second;
    return best;
  }

  bool usable(const Choice& choice, std::uint32_t index) {
    ++probes_;
    const ServerState& server = upstream_.server(index);
    return !is_tried(choice, index) && server.has_room(server.word());
  }

  bool is_less_loaded(std::uint32_t left, std::uint32_t right) const {
    const ServerState& a = upstream_.server(left);
    const ServerState& b = upstream_.server(right);
    return (std::uint64_t{a.active()} + 1) * b.weight() < (std::uint64_t{b.active()} + 1) * a.weight();
  }

  std::optional<std::uint32_t> first_usable(const Choice& choice, std::optional<std::uint32_t> but) {
    const auto members = eligible_.members();
    const std::size_t start = random_.below(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::uint32_t index = members[(start + i) % members.size()];
      if (index != but && usable(choice, index)) return index;
    }
    return std::nullopt;
  }

  EligibleSet eligible_;
  AliasTable table_;
  base::Random random_;
};

class RandomTwo final : public Policy {
 public:
  explicit RandomTwo(UpstreamState& upstream) : upstream_(upstream) {}

  std::unique_ptr<Selector> make_selector(std::uint64_t seed) override {
    return std::make_unique<RandomTwoSelector>(upstream_, seed);
  }

 private:
  UpstreamState& upstream_;
};

}  // namespace

std::unique_ptr<Policy> make_random_two(UpstreamState& upstream) {
  return std::make_unique<RandomTwo>(upstream);
}

}  // namespace azulb::balance
