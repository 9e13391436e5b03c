#include "azulb/proxy/snapshot.hpp"

#include <string>
#include <utility>

#include "azulb/balance/selector.hpp"
#include "azulb/proxy/client_codec_table.hpp"
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

tls::ServerSettings server_tls_settings(const config::Listener& listener) {
  const config::ListenerTls& tls = *listener.tls;
  tls::ServerSettings settings{
      .certificates = {},
      .min_version = tls.min_version == config::TlsVersion::tls13 ? tls::Version::tls13 : tls::Version::tls12,
      .ciphers = tls.ciphers,
      .client_ca = tls.client_ca,
      .client_verify = static_cast<tls::ClientVerify>(tls.client_verify),
      .session_tickets = tls.session_tickets,
      .application_protocols = application_protocols(listener),
      .scope = listener.name,
  };
  for (const config::Certificate& certificate : tls.certificates)
    settings.certificates.push_back({certificate.cert, certificate.key, certificate.ocsp});
  return settings;
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

base::Result<void> Snapshot::build_listener_tls(const config::Listener& listener) {
  std::shared_ptr<tls::ServerContext> context;
  if (listener.tls) {
    auto built = tls::ServerContext::build(server_tls_settings(listener));
    if (!built) return base::failure("listener " + listener.name + ": tls: " + built.error().message);
    context = std::move(*built);
  }
  listener_tls_.push_back(std::move(context));
  return {};
}

base::Result<void> Snapshot::build_upstream(const config::Upstream& upstream) {
  auto built = std::make_unique<UpstreamSnapshot>();
  built->config = &upstream;
  built->index = static_cast<std::uint32_t>(upstreams_.size());
  built->host_header = host_header_of(upstream);
  if (upstream.tls) {
    auto context = tls::ClientContext::build(client_tls_settings(upstream));
    if (!context) return base::failure("upstream " + upstream.name + ": tls: " + context.error().message);
    built->tls = std::move(*context);
  }
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
      if (upstream.tls) {
        const std::string& name = upstream.tls->server_name;
        built->tls_names.push_back(name.empty() && !server.address.is_unix ? server.address.host : name);
      }
      states.push_back(std::make_shared<balance::ServerState>(
          server_settings(upstream, server, address, addresses->size() > 1)));
    }
  }
  built->state = std::make_shared<balance::UpstreamState>(upstream_settings(upstream), std::move(states));
  upstreams_.push_back(std::move(built));
  return {};
}

std::vector<tls::Notice> Snapshot::refresh_stapled_responses(std::int64_t now_s) {
  std::vector<tls::Notice> notices;
  for (std::size_t index = 0; index < listener_tls_.size(); ++index) {
    if (!listener_tls_[index]) continue;
    for (tls::Notice& notice : listener_tls_[index]->refresh_stapled_responses(now_s))
      notices.push_back(
          {notice.is_warning, "listener " + config_.listeners[index].name + ": " + notice.text});
  }
  return notices;
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
  for (const config::Listener& listener : snapshot->config_.listeners) {
    if (auto built = snapshot->build_listener_tls(listener); !built)
      return tl::unexpected<base::Error>(built.error());
  }
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
