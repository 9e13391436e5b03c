// Weighted least connections over all workers: the server with the fewest requests for its weight; of equals,
// the one that was chosen longest ago.
#include "azulb/balance/load_tree.hpp"
#include "azulb/balance/upstream_state.hpp"
#include "policies.hpp"

namespace azulb::balance {

namespace {

class LeastConnectionsSelector final : public Selector {
 public:
  LeastConnectionsSelector(UpstreamState& upstream, LoadTree& tree) : Selector(upstream), tree_(tree) {}

 private:
  std::optional<std::uint32_t> place(const Choice& choice) override { return tree_.choose(choice, probes_); }

  LoadTree& tree_;
};

class LeastConnections final : public Policy {
 public:
  explicit LeastConnections(UpstreamState& upstream)
      : upstream_(upstream), tree_(servers_of(upstream), LoadTree::Measure::requests) {}

  std::unique_ptr<Selector> make_selector(std::uint64_t /*seed*/) override {
    return std::make_unique<LeastConnectionsSelector>(upstream_, tree_);
  }
  void server_changed(std::uint32_t index) override { tree_.update(index); }
  void reconcile() override { tree_.rebuild(); }

 private:
  UpstreamState& upstream_;
  LoadTree tree_;
};

}  // namespace

std::unique_ptr<Policy> make_least_connections(UpstreamState& upstream) {
  return std::make_unique<LeastConnections>(upstream);
}

}  // namespace azulb::balance
