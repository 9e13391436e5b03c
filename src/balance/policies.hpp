// What the policies share and the factories that their table names; private to this layer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "azulb/balance/selector.hpp"
#include "azulb/balance/server_state.hpp"

namespace azulb::balance {

std::unique_ptr<Policy> make_round_robin(UpstreamState& upstream);
std::unique_ptr<Policy> make_least_connections(UpstreamState& upstream);
std::unique_ptr<Policy> make_random_two(UpstreamState& upstream);
std::unique_ptr<Policy> make_least_time(UpstreamState& upstream);
std::unique_ptr<Policy> make_hash(UpstreamState& upstream);

/// By index.
std::vector<ServerState*> servers_of(UpstreamState& upstream);
std::vector<std::uint32_t> weights_of(const UpstreamState& upstream);

}  // namespace azulb::balance
