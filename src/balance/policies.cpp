#include "policies.hpp"

#include <algorithm>
#include <array>

#include "azulb/balance/upstream_state.hpp"

namespace azulb::balance {

namespace {

// A new policy: its file, and its line here.
constexpr std::array policy_table{
    PolicyEntry{"round_robin", make_round_robin},
    PolicyEntry{"least_connections", make_least_connections},
    PolicyEntry{"random_two", make_random_two},
    PolicyEntry{"least_time", make_least_time},
    PolicyEntry{"hash", make_hash},
};

}  // namespace

std::span<const PolicyEntry> policies() {
  return policy_table;
}

const PolicyEntry* find_policy(std::string_view name) {
  const auto* found = std::find_if(policy_table.begin(), policy_table.end(),
                                   [name](const PolicyEntry& entry) { return entry.name == name; });
  return found == policy_table.end() ? nullptr : found;
}

std::vector<ServerState*> servers_of(UpstreamState& upstream) {
  std::vector<ServerState*> servers;
  servers.reserve(upstream.server_count());
  for (std::uint32_t index = 0; index < upstream.server_count(); ++index)
    servers.push_back(&upstream.server(index));
  return servers;
}

std::vector<std::uint32_t> weights_of(const UpstreamState& upstream) {
  std::vector<std::uint32_t> weights;
  weights.reserve(upstream.server_count());
  for (std::uint32_t index = 0; index < upstream.server_count(); ++index) {
    weights.push_back(upstream.server(index).weight());
  }
  return weights;
}

}  // namespace azulb::balance
