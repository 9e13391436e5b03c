#include "azulb/daemon/server_changes.hpp"

#include <unordered_map>
#include <utility>

namespace azulb::daemon {
namespace {

using Places = std::unordered_map<std::string, std::uint32_t>;

/// The servers of an upstream by address.
Places places_of(const proxy::Snapshot* snapshot, const std::string& upstream) {
  Places places;
  const proxy::UpstreamSnapshot* const found =
      snapshot != nullptr ? snapshot->find_upstream(upstream) : nullptr;
  if (found == nullptr) return places;
  for (std::uint32_t server = 0; server < found->state->server_count(); ++server)
    places.emplace(found->state->server(server).address(), server);
  return places;
}

void make(balance::UpstreamState& upstream, std::uint32_t server, const ServerChange& change) {
  const std::uint32_t configured = upstream.server(server).configured_weight();
  const bool weighs = change.weight && change.weight->instead_of == configured;
  upstream.set_admin_state(server, change.admin_state);
  upstream.set_weight(server, weighs ? change.weight->weight : configured);
}

}  // namespace

void ServerChanges::note(const std::string& upstream, const balance::ServerState& server) {
  ServerChange change{.admin_state = server.admin_state(), .weight = std::nullopt};
  if (server.weight() != server.configured_weight())
    change.weight = {.weight = server.weight(), .instead_of = server.configured_weight()};
  auto& of_upstream = changes_[upstream];
  if (change == ServerChange{}) {
    of_upstream.erase(server.address());
  } else {
    of_upstream[server.address()] = change;
  }
  if (of_upstream.empty()) changes_.erase(upstream);
}

void ServerChanges::apply(proxy::Snapshot& snapshot, const proxy::Snapshot* earlier) {
  for (const auto& [upstream, changes] : std::exchange(changes_, {})) {
    const proxy::UpstreamSnapshot* const found = snapshot.find_upstream(upstream);
    if (found == nullptr) continue;
    const Places places = places_of(&snapshot, upstream);
    const Places before = places_of(earlier, upstream);
    for (const auto& [address, change] : changes) {
      const auto place = places.find(address);
      if (place == places.end()) {
        if (!before.contains(address)) changes_[upstream].emplace(address, change);
        continue;
      }
      balance::ServerState& server = found->state->server(place->second);
      const bool is_new = earlier == nullptr || !earlier->find_server(server);
      if (is_new) make(*found->state, place->second, change);
      note(upstream, server);
    }
  }
}

void ServerChanges::replace(Map changes, const proxy::Snapshot& snapshot) {
  changes_ = std::move(changes);
  for (std::size_t index = 0; index < snapshot.upstream_count(); ++index) {
    balance::UpstreamState& upstream = *snapshot.upstream(index).state;
    const auto of_upstream = changes_.find(upstream.settings().name);
    for (std::uint32_t server = 0; server < upstream.server_count(); ++server) {
      ServerChange change;
      if (of_upstream != changes_.end()) {
        const auto found = of_upstream->second.find(upstream.server(server).address());
        if (found != of_upstream->second.end()) change = found->second;
      }
      make(upstream, server, change);
    }
  }
}

}  // namespace azulb::daemon
