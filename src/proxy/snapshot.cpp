#include "azulb/proxy/snapshot.hpp"

#include <string>
#include <utility>

#include "azulb/balance/selector.hpp"

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

balance::ServerSettings server_settings(const config::Upstream& upstream, const config::Server& server,
                                        const base::SocketAddress& address, bool one_of_several) {
  balance::ServerSettings settings;
  settings.address = address.text();
  settings.name = one_of_several ? server.name + "/" + settings.address : server.name;
  settings.weight = server.weight;
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

}  // namespace

base::Result<void> Snapshot::build_upstream(const config::Upstream& upstream) {
  auto built = std::make_unique<UpstreamSnapshot>();
  built->config = &upstream;
  built->index = static_cast<std::uint32_t>(upstreams_.size());
  built->host_header = host_header_of(upstream);
  std::vector<std::shared_ptr<balance::ServerState>> states;
  for (const config::Server& server : upstream.servers) {
    const auto addresses = base::resolve(server.address, false);
    if (!addresses) {
      return base::failure(
          "upstream " + upstream.name + ": server " + server.name + ": " + addresses.error().message,
          addresses.error().system_error);
    }
    for (const base::SocketAddress& address : *addresses) {
      built->addresses.push_back(address);
      states.push_back(std::make_shared<balance::ServerState>(
          server_settings(upstream, server, address, addresses->size() > 1)));
    }
  }
  built->state = std::make_shared<balance::UpstreamState>(upstream_settings(upstream), std::move(states));
  upstreams_.push_back(std::move(built));
  return {};
}

MetricLabels Snapshot::metric_labels() const {
  MetricLabels labels = MetricLabels::from(config_);
  for (std::size_t index = 0; index < upstreams_.size(); ++index) {
    std::vector<std::string>& servers = labels.upstreams[index].servers;
    servers.clear();
    const balance::UpstreamState& state = *upstreams_[index]->state;
    for (std::uint32_t server = 0; server < state.server_count(); ++server)
      servers.push_back(state.server(server).name());
  }
  return labels;
}

base::Result<std::shared_ptr<Snapshot>> Snapshot::build(config::Config config) {
  std::shared_ptr<Snapshot> snapshot(new Snapshot(std::move(config)));
  for (const config::Upstream& upstream : snapshot->config_.upstreams) {
    if (auto built = snapshot->build_upstream(upstream); !built)
      return tl::unexpected<base::Error>(built.error());
  }
  for (const config::Route& route : snapshot->config_.routes) {
    std::uint32_t target = no_upstream;
    for (const auto& upstream : snapshot->upstreams_) {
      if (!route.upstream.empty() && upstream->config->name == route.upstream) target = upstream->index;
    }
    snapshot->route_upstreams_.push_back(target);
  }
  return snapshot;
}

}  // namespace azulb::proxy
