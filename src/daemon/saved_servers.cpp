// The text of the state file.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "azulb/config/load.hpp"
#include "azulb/daemon/server_changes.hpp"

namespace azulb::daemon {
namespace {

using Json = nlohmann::ordered_json;

constexpr int format_version = 1;

Json change_json(const ServerChange& change) {
  Json json = Json::object();
  if (change.admin_state != balance::AdminState::enabled)
    json["admin_state"] = balance::to_string(change.admin_state);
  if (change.weight) {
    json["weight"] = change.weight->weight;
    json["instead_of"] = change.weight->instead_of;
  }
  return json;
}

Json upstream_json(const SavedServers& servers, const std::string& upstream) {
  Json added = Json::array();
  Json removed = Json::array();
  Json changed = Json::object();
  if (const auto found = servers.amendments.find(upstream); found != servers.amendments.end()) {
    for (const config::Server& server : found->second.added)
      added.push_back({{"address", server.address.text()}, {"name", server.name}, {"weight", server.weight}});
    for (const auto& [address, was_listed] : found->second.removed)
      removed.push_back(address);
  }
  if (const auto found = servers.changes.find(upstream); found != servers.changes.end()) {
    for (const auto& [address, change] : found->second)
      changed[address] = change_json(change);
  }
  return {{"added", std::move(added)}, {"removed", std::move(removed)}, {"changed", std::move(changed)}};
}

/// Reads what was written; throws Json::exception, or Wrong, where it is anything else.
struct Wrong {
  std::string message;
};

std::uint32_t weight_in(const Json& json, const char* key) {
  const auto weight = json.at(key).get<std::int64_t>();
  if (weight < 1 || weight > balance::max_weight)
    throw Wrong{fmt::format("\"{}\": {} is no weight", key, weight)};
  return static_cast<std::uint32_t>(weight);
}

balance::AdminState admin_state_in(const Json& json) {
  const auto word = json.get<std::string>();
  for (const auto state :
       {balance::AdminState::enabled, balance::AdminState::draining, balance::AdminState::disabled}) {
    if (balance::to_string(state) == word) return state;
  }
  throw Wrong{"\"admin_state\": unknown word \"" + word + "\""};
}

ServerChange change_in(const Json& json) {
  ServerChange change;
  if (json.contains("admin_state")) change.admin_state = admin_state_in(json.at("admin_state"));
  if (json.contains("weight")) change.weight = {weight_in(json, "weight"), weight_in(json, "instead_of")};
  return change;
}

void read_upstream(const Json& json, const std::string& upstream, SavedServers& servers) {
  discovery::Amendments amendments;
  auto added = config::load_servers(json.at("added").dump(), "", {});
  if (!added) throw Wrong{"\"added\": " + added.error().front().message};
  amendments.added = std::move(*added);
  for (const config::Server& server : amendments.added) {
    if (!base::resolve(server.address, false))
      throw Wrong{"\"added\": " + server.address.text() + " is a name, no address"};
  }
  for (const Json& address : json.at("removed"))
    amendments.removed.emplace(address.get<std::string>(), false);
  if (!amendments.empty()) servers.amendments.emplace(upstream, std::move(amendments));
  for (const auto& [address, change] : json.at("changed").items())
    servers.changes[upstream].emplace(address, change_in(change));
}

}  // namespace

std::string write_servers(const SavedServers& servers) {
  Json upstreams = Json::object();
  for (const auto& [upstream, amendments] : servers.amendments) {
    if (!amendments.empty()) upstreams[upstream] = upstream_json(servers, upstream);
  }
  for (const auto& [upstream, changes] : servers.changes) {
    if (!upstreams.contains(upstream)) upstreams[upstream] = upstream_json(servers, upstream);
  }
  const Json json = {{"about", "what was changed of azulb's servers by its API; written by azulb"},
                     {"version", format_version},
                     {"upstreams", std::move(upstreams)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

base::Result<SavedServers> read_servers(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const int version = json.at("version").get<int>();
    if (version != format_version)
      return base::failure(
          fmt::format("its version is {}, and this azulb knows {} only", version, format_version));
    SavedServers servers;
    for (const auto& [upstream, changes] : json.at("upstreams").items())
      read_upstream(changes, upstream, servers);
    return servers;
  } catch (const Json::exception& error) {
    return base::failure(error.what());
  } catch (const Wrong& wrong) {
    return base::failure(wrong.message);
  }
}

}  // namespace azulb::daemon
