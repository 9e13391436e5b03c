// The parts of /state, as JSON.
#pragma once

#include <cstddef>

#include "azulb/admin/sources.hpp"
#include "json.hpp"

namespace azulb::admin {

/// How long it takes to answer, where the policy measures that; else null.
Json latency_json(const balance::ServerState& server);
Json server_state(const AdminSources& sources, std::size_t upstream, std::size_t server);
/// The whole of /state.
Json state_json(const AdminSources& sources);
Json upstream_state(const AdminSources& sources, std::size_t upstream);

}  // namespace azulb::admin
