// Smooth weighted round robin, exact over all workers: every worker builds the same rotation from the same
// servers, and all take their turns from one counter.
#include <atomic>

#include "azulb/balance/eligible_set.hpp"
#include "azulb/balance/rotation.hpp"
#include "azulb/balance/upstream_state.hpp"
#include "policies.hpp"

namespace azulb::balance {

namespace {

class RoundRobinSelector final : public Selector {
 public:
  RoundRobinSelector(UpstreamState& upstream, std::atomic<std::uint64_t>& turn)
      : Selector(upstream), turn_(turn), eligible_(upstream), rotation_(weights_of(upstream)) {}

 private:
  std::optional<std::uint32_t> place(const Choice& choice) override {
    if (eligible_.refresh()) rotation_.build(eligible_.members(), eligible_.weights());
    if (!eligible_.has_untried(choice)) return std::nullopt;
    // Who must skip a server takes the next turn from the common counter, so that the server after it in the
    // rotation doesn't get all of its requests.
    constexpr int most_turns = 4;
    std::uint64_t turn = 0;
    for (int i = 0; i < most_turns; ++i) {
      turn = turn_.fetch_add(1, std::memory_order_relaxed);
      const std::uint32_t index = rotation_.turns()[turn % rotation_.turns().size()];
      if (take(choice, index)) return index;
    }
    // Unlucky, or few are left: the first that will do, beginning anywhere.
    const auto members = eligible_.members();
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::uint32_t index = members[(turn + i) % members.size()];
      if (take(choice, index)) return index;
    }
    return std::nullopt;
  }

  bool take(const Choice& choice, std::uint32_t index) {
    ++probes_;
    return !is_tried(choice, index) &&
           ServerLoad::begin_within(upstream_.server(index), ServerLoad::unlimited);
  }

  std::atomic<std::uint64_t>& turn_;
  EligibleSet eligible_;
  Rotation rotation_;
};

class RoundRobin final : public Policy {
 public:
  explicit RoundRobin(UpstreamState& upstream) : upstream_(upstream) {}

  std::unique_ptr<Selector> make_selector(std::uint64_t /*seed*/) override {
    return std::make_unique<RoundRobinSelector>(upstream_, turn_);
  }
  void continue_from(const Policy& other) override {
    turn_.store(static_cast<const RoundRobin&>(other).turn_.load(std::memory_order_relaxed));
  }

 private:
  UpstreamState& upstream_;
  alignas(64) std::atomic<std::uint64_t> turn_{0};
};

}  // namespace

std::unique_ptr<Policy> make_round_robin(UpstreamState& upstream) {
  return std::make_unique<RoundRobin>(upstream);
}

}  // namespace azulb::balance
