#include "azulb/proxy/upstream_snapshot.hpp"

#include <unordered_map>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/upstream/server_codec_table.hpp"

namespace azulb::proxy {
namespace {

std::string_view policy_name(config::Balance balance) {
  switch (balance) {
    case config::Balance::round_robin:
      return "round_robin";
    case config::Balance::least_connections:
      return "least_connections";
    case config::Balance::random_two:
      return "random_two";
    case config::Balance::least_time:
      return "least_time";
    case config::Balance::hash:
      return "hash";
  }
  return {};
}

balance::UpstreamSettings upstream_settings(const config::Upstream& upstream) {
  static_assert(static_cast<unsigned>(balance::retry_non_idempotent) == config::retry_non_idempotent &&
                static_cast<unsigned>(balance::retry_error) == config::retry_error);
  return {
      .name = upstream.name,
      .balance = std::string(policy_name(upstream.balance)),
      .hash_load_factor = upstream.hash_load_factor,
      .outlier = {.consecutive_errors = upstream.outlier.consecutive_errors,
                  .consecutive_5xx = upstream.outlier.consecutive_5xx,
                  .ejection = upstream.outlier.ejection,
                  .max_ejected = upstream.outlier.max_ejected},
      .retry = {.on = upstream.retry.on,
                .attempts = upstream.retry.attempts,
                .timeout = upstream.retry.timeout,
                .backoff = upstream.retry.backoff,
                .budget = upstream.retry.budget},
  };
}

balance::ServerSettings server_settings(const config::Upstream& upstream,
                                        const discovery::FoundServer& server) {
  balance::ServerSettings settings;
  settings.address = server.address.text();
  settings.name = server.name;
  settings.weight = server.weight;
  const std::uint32_t most = server.max_connections != 0 ? server.max_connections : upstream.max_connections;
  if (most != 0) settings.most_requests = most;
  if (upstream.health) {
    settings.checked = true;
    settings.health = {.rise = upstream.health->rise,
                       .fall = upstream.health->fall,
                       .initial = static_cast<balance::HealthInitial>(upstream.health->initial)};
  }
  return settings;
}

HostHeader host_header_of(const config::Upstream& upstream) {
  if (upstream.host_header == "preserve") return HostHeader::preserve;
  return upstream.host_header == "upstream" ? HostHeader::server : HostHeader::literal;
}

tls::ClientSettings client_tls_settings(const config::Upstream& upstream) {
  const config::UpstreamTls& tls = *upstream.tls;
  return {.verify = tls.verify,
          .ca = tls.ca,
          .certificate = tls.cert,
          .key = tls.key,
          .application_protocols = upstream::application_protocols(upstream.protocol)};
}

}  // namespace

base::Result<std::unique_ptr<UpstreamSnapshot>> UpstreamSnapshot::build(const config::Upstream& config,
                                                                        std::uint32_t index,
                                                                        const discovery::ServerList& servers,
                                                                        const UpstreamSnapshot* earlier) {
  std::unique_ptr<UpstreamSnapshot> built = make(config, index, servers);
  if (config.tls) {
    auto context =
        tls::ClientContext::build(client_tls_settings(config), earlier != nullptr ? earlier->tls : nullptr);
    if (!context) return base::failure("upstream " + config.name + ": tls: " + context.error().message);
    built->tls = std::move(*context);
  }
  return built;
}

std::unique_ptr<UpstreamSnapshot> UpstreamSnapshot::with_servers(const config::Upstream& same_config,
                                                                 const discovery::ServerList& others) const {
  std::unique_ptr<UpstreamSnapshot> built = make(same_config, index, others);
  built->tls = tls;
  return built;
}

std::unique_ptr<UpstreamSnapshot> UpstreamSnapshot::make(const config::Upstream& config, std::uint32_t index,
                                                         const discovery::ServerList& servers) {
  auto built = std::make_unique<UpstreamSnapshot>();
  built->config = &config;
  built->index = index;
  built->host_header = host_header_of(config);
  for (const discovery::FoundServer& server : servers) {
    built->addresses.push_back(server.address);
    if (config.tls)
      built->tls_names.push_back(config.tls->server_name.empty() ? server.host : config.tls->server_name);
    built->servers.push_back(server_settings(config, server));
    built->sources.push_back(server.source);
  }
  return built;
}

void UpstreamSnapshot::link(const UpstreamSnapshot* earlier) {
  AZULB_ASSERT(state == nullptr);
  earlier_servers.resize(servers.size());
  if (earlier != nullptr) find_earlier_servers(*earlier);
  const bool same_checks = earlier != nullptr && has_checks_of(*earlier);
  std::vector<std::shared_ptr<balance::ServerState>> states;
  for (std::size_t server = 0; server < servers.size(); ++server) {
    const auto before = earlier_servers[server];
    states.push_back(before && same_checks ? earlier->state->shared_server(*before)
                                           : std::make_shared<balance::ServerState>(servers[server]));
  }
  if (earlier != nullptr && keeps_state_of(*earlier, states)) {
    state = earlier->state;
  } else {
    state = std::make_shared<balance::UpstreamState>(upstream_settings(*config), std::move(states),
                                                     earlier != nullptr ? earlier->state.get() : nullptr);
  }
  for (std::uint32_t server = 0; server < state->server_count(); ++server)
    state->configure_weight(server, servers[server].weight);
  for (std::uint32_t server = 0; server < state->server_count(); ++server)
    state->configure_most_requests(server, servers[server].most_requests);
}

void UpstreamSnapshot::find_earlier_servers(const UpstreamSnapshot& earlier) {
  earlier_index = earlier.index;
  std::unordered_map<std::string, std::uint32_t> places;  // names are unique in an upstream
  for (std::uint32_t server = 0; server < earlier.servers.size(); ++server)
    places.emplace(earlier.servers[server].name, server);
  for (std::size_t server = 0; server < servers.size(); ++server) {
    const auto found = places.find(servers[server].name);
    if (found != places.end() && earlier.addresses[found->second] == addresses[server])
      earlier_servers[server] = found->second;
  }
}

bool UpstreamSnapshot::has_checks_of(const UpstreamSnapshot& earlier) const {
  if (config->health != earlier.config->health) return false;
  // How the servers are spoken to is part of how they are checked.
  return !config->health ||
         (config->tls == earlier.config->tls && config->protocol == earlier.config->protocol &&
          config->proxy_protocol == earlier.config->proxy_protocol);
}

bool UpstreamSnapshot::keeps_state_of(
    const UpstreamSnapshot& earlier, const std::vector<std::shared_ptr<balance::ServerState>>& states) const {
  if (earlier.state->settings() != upstream_settings(*config)) return false;
  if (earlier.state->server_count() != states.size()) return false;
  for (std::uint32_t server = 0; server < states.size(); ++server) {
    if (earlier.state->shared_server(server) != states[server]) return false;
  }
  return true;
}

}  // namespace azulb::proxy
