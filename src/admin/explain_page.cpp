#include "azulb/admin/explain_page.hpp"

#include <string_view>

#include "api.hpp"
#include "state.hpp"

namespace azulb::admin {
namespace {

std::string_view mismatch_word(proxy::RouteMismatch mismatch) {
  switch (mismatch) {
    case proxy::RouteMismatch::none:
      return "matches";
    case proxy::RouteMismatch::host:
      return "another host";
    case proxy::RouteMismatch::listener:
      return "another listener";
    case proxy::RouteMismatch::path:
      return "another path";
    case proxy::RouteMismatch::method:
      return "another method";
    case proxy::RouteMismatch::header:
      return "other headers";
    case proxy::RouteMismatch::query:
      return "another query";
  }
  return {};
}

Json listener_json(const config::Listener& listener) {
  Json addresses = Json::array();
  for (const base::HostPort& address : listener.address)
    addresses.push_back(address.text());
  return {{"name", listener.name}, {"address", std::move(addresses)}, {"tls", listener.tls.has_value()}};
}

Json routes_json(const config::Config& config, const proxy::Explanation& explanation) {
  Json routes = Json::array();
  for (std::size_t index = 0; index < explanation.routes.routes.size(); ++index) {
    routes.push_back(
        {{"name", config.routes[index].name}, {"verdict", mismatch_word(explanation.routes.routes[index])}});
  }
  return routes;
}

Json upstream_json(const proxy::UpstreamSnapshot& upstream, const proxy::Explanation& explanation) {
  const balance::UpstreamState& state = *upstream.state;
  Json servers = Json::array();
  for (const proxy::ExplainedServer& explained : explanation.servers) {
    const balance::ServerState& server = state.server(explained.index);
    servers.push_back({{"name", server.name()},
                       {"address", server.address()},
                       {"weight", server.weight()},
                       {"active", server.active()},
                       {"latency_ms", latency_json(server)},
                       {"eligible", explained.eligible},
                       {"reason", explained.reason},
                       {"chosen", explanation.chosen == explained.index}});
  }
  Json json = {{"name", state.settings().name},
               {"balance", state.settings().balance},
               {"availability", balance::to_string(balance::availability_of(state.summary()))},
               {"servers", std::move(servers)}};
  if (upstream.config->balance == config::Balance::hash) json["hash_value"] = explanation.hash_value;
  return json;
}

Json split_json(const config::Route& route, const proxy::RouteSplit::Choice& choice) {
  using Reason = proxy::RouteSplit::Reason;
  Json parts = Json::array();
  for (const config::SplitTarget& target : route.split)
    parts.push_back({{"upstream", target.upstream}, {"weight", target.weight}});
  const char* const by =
      choice.reason == Reason::cookie ? "cookie" : (choice.reason == Reason::key ? "key" : "chance");
  return {{"by", by}, {"parts", std::move(parts)}};
}

/// What becomes of it, in a sentence.
std::string outcome(const proxy::Snapshot& snapshot, const proxy::Explanation& explanation) {
  const std::string status = std::to_string(explanation.status);
  if (!explanation.refusal.empty()) return "answered " + status + ": " + explanation.refusal;
  if (explanation.routes.two_readings)
    return "answered 404: with its encoded slashes or backslashes read as slashes the path leads to another "
           "route";
  if (!explanation.routes.match) return "answered 404: no route takes it";
  if (!explanation.location.empty()) return "answered " + status + " with Location: " + explanation.location;
  if (!explanation.upstream) return "answered " + status + " by the route itself";
  const proxy::UpstreamSnapshot& upstream = snapshot.upstream(*explanation.upstream);
  if (!explanation.chosen) return "waits for a server at most queue_timeout, then 503: none may be chosen";
  const std::string server = upstream.state->server(*explanation.chosen).name();
  const bool split_by_chance =
      explanation.split && explanation.split->reason == proxy::RouteSplit::Reason::chance;
  if (split_by_chance) return "goes to " + server + ", or to another upstream of the split, by chance";
  return explanation.by_chance ? "goes to " + server + ", or to another, by chance" : "goes to " + server;
}

}  // namespace

std::string explain_page(const proxy::Snapshot& snapshot, const proxy::Explanation& explanation) {
  const config::Config& config = snapshot.config();
  Json json = {{"outcome", outcome(snapshot, explanation)},
               {"status", nullptr},
               {"listener", listener_json(config.listeners[explanation.listener])},
               {"path", explanation.path},
               {"routes", routes_json(config, explanation)},
               {"route", nullptr},
               {"upstream", nullptr},
               {"server", nullptr},
               {"sent", nullptr}};
  if (explanation.status != 0) json["status"] = explanation.status;
  if (explanation.routes.match) json["route"] = config.routes[*explanation.routes.match].name;
  if (explanation.split)
    json["split"] = split_json(config.routes[*explanation.routes.match], *explanation.split);
  if (explanation.upstream)
    json["upstream"] = upstream_json(snapshot.upstream(*explanation.upstream), explanation);
  if (explanation.chosen) {
    json["server"] = snapshot.upstream(*explanation.upstream).state->server(*explanation.chosen).name();
    json["sent"] = explanation.sent_head;
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

AdminReply explain_request(const Call& call) {
  if (auto wrong = unknown_key(call, {"method", "url", "headers", "listener", "client"}))
    return *std::move(wrong);
  proxy::AskedRequest asked;
  for (const auto& [key, member] :
       {std::pair("method", &asked.method), std::pair("url", &asked.url),
        std::pair("listener", &asked.listener), std::pair("client", &asked.client)}) {
    const auto value = call.body.find(key);
    if (value == call.body.end()) continue;
    if (!value->is_string()) return error_reply(400, std::string("\"") + key + "\" must be text");
    *member = value->get<std::string>();
  }
  for (const Json& header : call.body.value("headers", Json::array())) {
    const bool is_pair =
        header.is_array() && header.size() == 2 && header[0].is_string() && header[1].is_string();
    if (!is_pair) return error_reply(400, "\"headers\" must be a list of [\"Name\", \"value\"]");
    asked.headers.emplace_back(header[0].get<std::string>(), header[1].get<std::string>());
  }
  const auto explanation = proxy::explain(*call.sources.snapshot, asked);
  if (!explanation) return error_reply(400, explanation.error().message);
  AdminReply reply;
  reply.content_type = "application/json";
  reply.body = explain_page(*call.sources.snapshot, *explanation);
  return reply;
}

}  // namespace azulb::admin
