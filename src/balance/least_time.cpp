// Least time over all workers: the server with the smallest product of its latency and its requests, the one
// to be placed included, for its weight.
#include "azulb/balance/load_tree.hpp"
#include "azulb/balance/upstream_state.hpp"
#include "policies.hpp"

namespace azulb::balance {

namespace {

class LeastTimeSelector final : public Selector {
 public:
  LeastTimeSelector(UpstreamState& upstream, LoadTree& tree) : Selector(upstream), tree_(tree) {}

 private:
  std::optional<std::uint32_t> place(const Choice& choice) override { return tree_.choose(choice, probes_); }

  LoadTree& tree_;
};

class LeastTime final : public Policy {
 public:
  explicit LeastTime(UpstreamState& upstream)
      : upstream_(upstream), tree_(servers_of(upstream), LoadTree::Measure::requests_times_latency) {}

  std::unique_ptr<Selector> make_selector(std::uint64_t /*seed*/) override {
    return std::make_unique<LeastTimeSelector>(upstream_, tree_);
  }
  bool measures_latency() const override { return true; }
  void server_changed(std::uint32_t index) override { tree_.update(index); }
  void reconcile() override { tree_.rebuild(); }

 private:
  UpstreamState& upstream_;
  LoadTree tree_;
};

}  // namespace

std::unique_ptr<Policy> make_least_time(UpstreamState& upstream) {
  return std::make_unique<LeastTime>(upstream);
}

}  // namespace azulb::balance
