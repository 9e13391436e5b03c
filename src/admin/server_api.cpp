// /servers: what there is, and what is to become of it.
#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "api.hpp"
#include "azulb/config/load.hpp"
#include "state.hpp"

namespace azulb::admin {
namespace {

struct Place {
  std::uint32_t upstream = 0;
  std::uint32_t server = 0;
};

tl::expected<std::uint32_t, AdminReply> find_upstream(const Call& call) {
  std::vector<std::string_view> known;
  for (const UpstreamSource& upstream : call.sources.upstreams) {
    if (upstream.state->settings().name == call.names[0]) return static_cast<std::uint32_t>(known.size());
    known.emplace_back(upstream.state->settings().name);
  }
  return tl::unexpected(
      error_reply(404, "no upstream " + call.names[0] + did_you_mean(call.names[0], known)));
}

/// By name, or by address.
tl::expected<Place, AdminReply> find_server(const Call& call) {
  const auto upstream = find_upstream(call);
  if (!upstream) return tl::unexpected(upstream.error());
  const balance::UpstreamState& state = *call.sources.upstreams[*upstream].state;
  std::vector<std::string_view> known;
  std::optional<std::uint32_t> by_address;
  for (std::uint32_t index = 0; index < state.server_count(); ++index) {
    const balance::ServerState& server = state.server(index);
    if (server.name() == call.names[1]) return Place{*upstream, index};
    if (server.address() == call.names[1] && !by_address) by_address = index;
    known.emplace_back(server.name());
  }
  if (by_address) return Place{*upstream, *by_address};
  return tl::unexpected(error_reply(404, "no server " + call.names[1] + " in upstream " + call.names[0] +
                                             did_you_mean(call.names[1], known)));
}

AdminReply changed_reply(const Call& call, Place place, bool changed) {
  return json_reply(200, {{"changed", changed},
                          {"upstream", call.sources.upstreams[place.upstream].state->settings().name},
                          {"server", server_state(call.sources, place.upstream, place.server)}});
}

AdminReply set_admin_state(const Call& call, balance::AdminState state) {
  if (auto wrong = unknown_key(call, {})) return *std::move(wrong);
  const auto place = find_server(call);
  if (!place) return place.error();
  return changed_reply(call, *place, call.control.set_admin_state(place->upstream, place->server, state));
}

}  // namespace

AdminReply get_servers(const Call& call) {
  Json upstreams = Json::array();
  for (std::size_t index = 0; index < call.sources.upstreams.size(); ++index)
    upstreams.push_back(upstream_state(call.sources, index));
  return json_reply(200, {{"upstreams", std::move(upstreams)}});
}

AdminReply get_upstream(const Call& call) {
  const auto upstream = find_upstream(call);
  return upstream ? json_reply(200, upstream_state(call.sources, *upstream)) : upstream.error();
}

AdminReply get_server(const Call& call) {
  const auto place = find_server(call);
  return place ? json_reply(200, server_state(call.sources, place->upstream, place->server)) : place.error();
}

AdminReply add_server(const Call& call) {
  if (auto wrong = unknown_key(call, {"address", "name", "weight"})) return *std::move(wrong);
  const auto upstream = find_upstream(call);
  if (!upstream) return upstream.error();
  const auto servers =
      config::load_servers(Json::array({call.body}).dump(-1, ' ', false, Json::error_handler_t::replace),
                           "the body", call.sources.config->upstreams[*upstream]);
  if (!servers) return error_reply(400, servers.error().front().message);
  const config::Server& server = servers->front();
  if (!server.address.is_unix && !base::IpAddress::parse(server.address.host)) {
    return error_reply(
        400, server.address.text() +
                 " is a name: add its addresses, or put it into the upstream's servers or discover.dns");
  }
  const auto added = call.control.add_server(*upstream, server);
  if (!added) return error_reply(409, added.error().message);
  return json_reply(200, {{"changed", *added},
                          {"upstream", call.names[0]},
                          {"server", {{"name", server.name}, {"address", server.address.text()}}}});
}

AdminReply remove_server(const Call& call) {
  if (auto wrong = unknown_key(call, {})) return *std::move(wrong);
  const auto place = find_server(call);
  if (!place) return place.error();
  Json reply = {{"changed", true},
                {"upstream", call.names[0]},
                {"server", server_state(call.sources, place->upstream, place->server)}};
  const auto removed = call.control.remove_server(place->upstream, place->server);
  return removed ? json_reply(200, reply) : error_reply(409, removed.error().message);
}

AdminReply drain_server(const Call& call) {
  return set_admin_state(call, balance::AdminState::draining);
}

AdminReply disable_server(const Call& call) {
  return set_admin_state(call, balance::AdminState::disabled);
}

AdminReply enable_server(const Call& call) {
  return set_admin_state(call, balance::AdminState::enabled);
}

AdminReply weigh_server(const Call& call) {
  if (auto wrong = unknown_key(call, {"weight"})) return *std::move(wrong);
  const auto place = find_server(call);
  if (!place) return place.error();
  const auto weight = call.body.find("weight");
  const bool valid = weight != call.body.end() && weight->is_number_integer() && *weight >= 1 &&
                     *weight <= balance::max_weight;
  if (!valid) {
    return error_reply(
        400, fmt::format("\"weight\" must be a whole number from 1 to {} (drain a server to give it "
                         "nothing)",
                         balance::max_weight));
  }
  return changed_reply(call, *place,
                       call.control.set_weight(place->upstream, place->server, weight->get<std::uint32_t>()));
}

}  // namespace azulb::admin
