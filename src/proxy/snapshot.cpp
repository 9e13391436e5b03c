#include "azulb/proxy/snapshot.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "azulb/proxy/client_codec_table.hpp"

namespace azulb::proxy {
namespace {

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

const discovery::ServerList& list_of(const discovery::ServerLists& lists, const std::string& upstream) {
  static const discovery::ServerList none;
  const auto found = lists.find(upstream);
  return found == lists.end() ? none : found->second;
}

}  // namespace

base::Result<void> Snapshot::build_listener_tls(const config::Listener& listener, const Snapshot* earlier) {
  std::shared_ptr<tls::ServerContext> context;
  if (listener.tls) {
    auto built = tls::ServerContext::build(
        server_tls_settings(listener), earlier != nullptr ? earlier->listener_tls(listener.name) : nullptr);
    if (!built) return base::failure("listener " + listener.name + ": tls: " + built.error().message);
    context = std::move(*built);
  }
  listener_tls_.push_back(std::move(context));
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

base::Result<std::shared_ptr<Snapshot>> Snapshot::build(config::Config config,
                                                        const discovery::ServerLists& servers) {
  auto snapshot = prepare(std::move(config), servers, nullptr);
  if (snapshot) (*snapshot)->link(nullptr);
  return snapshot;
}

base::Result<std::shared_ptr<Snapshot>> Snapshot::prepare(config::Config config,
                                                          const discovery::ServerLists& servers,
                                                          const Snapshot* earlier) {
  std::shared_ptr<Snapshot> snapshot(new Snapshot(std::move(config)));
  for (const config::Listener& listener : snapshot->config_.listeners) {
    if (auto built = snapshot->build_listener_tls(listener, earlier); !built)
      return tl::unexpected<base::Error>(built.error());
  }
  for (const config::Upstream& upstream : snapshot->config_.upstreams) {
    auto built = UpstreamSnapshot::build(
        upstream, static_cast<std::uint32_t>(snapshot->upstreams_.size()), list_of(servers, upstream.name),
        earlier != nullptr ? earlier->find_upstream(upstream.name) : nullptr);
    if (!built) return tl::unexpected<base::Error>(built.error());
    snapshot->upstreams_.push_back(std::move(*built));
  }
  snapshot->compile_routes();
  return snapshot;
}

std::shared_ptr<Snapshot> Snapshot::with_servers(const discovery::ServerLists& servers) const {
  std::shared_ptr<Snapshot> snapshot(new Snapshot(config_));
  snapshot->listener_tls_ = listener_tls_;
  for (const auto& upstream : upstreams_) {
    const config::Upstream& config = snapshot->config_.upstreams[upstream->index];
    snapshot->upstreams_.push_back(upstream->with_servers(config, list_of(servers, config.name)));
  }
  snapshot->compile_routes();
  return snapshot;
}

void Snapshot::compile_routes() {
  for (const auto& upstream : upstreams_)
    upstream_indices_.emplace(upstream->config->name, upstream->index);
  routes_.reserve(config_.routes.size());
  std::uint32_t series = 0;
  for (const config::Route& route : config_.routes) {
    routes_.emplace_back(route, config_, series,
                         [this](const std::string& name) { return upstream_indices_.at(name); });
    series += static_cast<std::uint32_t>(std::max<std::size_t>(routes_.back().destinations.size(), 1));
  }
}

void Snapshot::link(const Snapshot* earlier) {
  if (earlier != nullptr) number_ = earlier->number_ + 1;
  for (const auto& upstream : upstreams_) {
    upstream->link(earlier != nullptr ? earlier->find_upstream(upstream->config->name) : nullptr);
    for (std::uint32_t server = 0; server < upstream->state->server_count(); ++server)
      places_.emplace(&upstream->state->server(server), ServerPlace{upstream->index, server});
  }
}

UpstreamSnapshot* Snapshot::find_upstream(const std::string& name) const {
  const auto found = upstream_indices_.find(name);
  return found == upstream_indices_.end() ? nullptr : upstreams_[found->second].get();
}

std::shared_ptr<tls::ServerContext> Snapshot::listener_tls(const std::string& name) const {
  for (std::size_t index = 0; index < config_.listeners.size(); ++index) {
    if (config_.listeners[index].name == name) return listener_tls_[index];
  }
  return nullptr;
}

std::optional<ServerPlace> Snapshot::find_server(const balance::ServerState& server) const {
  const auto found = places_.find(&server);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace azulb::proxy
