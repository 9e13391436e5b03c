// How a configuration takes effect: at start, and by a reload.
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/daemon/descriptor_limit.hpp"
#include "azulb/daemon/name_resolution.hpp"
#include "azulb/daemon/privileges.hpp"
#include "azulb/daemon/process.hpp"
#include "in_context.hpp"
#include "log_settings.hpp"

namespace azulb::daemon {
namespace {

std::vector<upstream::ProbeTarget> probe_targets(const proxy::Snapshot& snapshot) {
  std::vector<upstream::ProbeTarget> targets;
  for (std::size_t index = 0; index < snapshot.upstream_count(); ++index) {
    const proxy::UpstreamSnapshot& upstream = snapshot.upstream(index);
    if (!upstream.config->health) continue;
    for (std::uint32_t server = 0; server < upstream.addresses.size(); ++server) {
      targets.push_back({.upstream = upstream.config->name,
                         .upstream_index = upstream.index,
                         .health = *upstream.config->health,
                         .state = upstream.state.get(),
                         .server = server,
                         .address = upstream.addresses[server],
                         .protocol = upstream.config->protocol,
                         .proxy_protocol = upstream.config->proxy_protocol,
                         .address_text = upstream.state->server(server).address(),
                         .tls = upstream.tls.get(),
                         .tls_name = upstream.tls ? upstream.tls_names[server] : ""});
    }
  }
  return targets;
}

}  // namespace

base::Result<Process::Resources> Process::open_resources(const Preparation& prepared,
                                                         InheritedSockets& inherited) const {
  const LowPortsAllowed low_ports;
  const config::Config& config = prepared.snapshot->config();
  const config::Config* const before = snapshot_ != nullptr ? &snapshot_->config() : nullptr;
  Resources resources;
  auto sockets = ListenerSockets::open(config, prepared.listener_addresses, sockets_, inherited);
  if (!sockets) return tl::unexpected(sockets.error());
  resources.sockets = std::move(*sockets);
  auto admin_sockets = open_admin_sockets(prepared, inherited);
  if (!admin_sockets) return tl::unexpected(in_context("admin", admin_sockets.error()));
  resources.admin_sockets = std::move(*admin_sockets);
  if (before == nullptr || before->access_log.output != config.access_log.output) {
    auto output = base::LineOutput::open(config.access_log.output);
    if (!output) return tl::unexpected(in_context("access_log", output.error()));
    resources.access_log = std::move(*output);
  }
  // Last, as it takes effect at once.
  if (before != nullptr && before->log != config.log) {
    if (auto opened = base::open_log(log_settings(config.log)); !opened)
      return tl::unexpected(opened.error());
  }
  return resources;
}

/// Nothing: they stay as they are.
base::Result<std::optional<std::vector<net::BoundSocket>>> Process::open_admin_sockets(
    const Preparation& prepared, InheritedSockets& inherited) const {
  const config::Config& config = prepared.snapshot->config();
  const config::Config* const before = snapshot_ != nullptr ? &snapshot_->config() : nullptr;
  const bool same =
      before != nullptr && before->admin && config.admin && before->admin->address == config.admin->address;
  if (!config.admin || same) return std::nullopt;
  std::vector<net::BoundSocket> sockets;
  for (const base::SocketAddress& address : prepared.admin_addresses) {
    auto taken = inherited.take_bound_to(address, "");
    if (taken.empty()) {
      auto bound = net::BoundSocket::bind(address, SOMAXCONN, false);
      if (!bound) return tl::unexpected(bound.error());
      taken.push_back(std::move(*bound));
    }
    std::move(taken.begin(), taken.end(), std::back_inserter(sockets));
  }
  return sockets;
}

ReloadReport Process::take_effect(Preparation prepared, Resources resources) {
  const std::shared_ptr<proxy::Snapshot> earlier = snapshot_;
  const config::Config& config = prepared.snapshot->config();
  if (earlier == nullptr || earlier->config().process.max_connections != config.process.max_connections)
    raise_descriptor_limit(config.process.max_connections);
  if (resources.access_log) access_log_->redirect(std::move(*resources.access_log));
  sockets_ = std::move(resources.sockets);
  sockets_.listen(config);
  servers_ = std::move(prepared.servers);
  adopt(std::move(prepared.snapshot), prepared.access_log_format);
  refresh_stapled_responses();  // of certificates that are new nothing is stapled before
  if (admin_ != nullptr && (!config.admin || resources.admin_sockets)) retire_admin();
  if (resources.admin_sockets) start_admin(std::move(*resources.admin_sockets));
  if (earlier == nullptr) {
    look_at_traffic();
    return {};
  }
  start_probation_timer();
  return compare(*earlier, *snapshot_);
}

/// The one way in which a snapshot becomes the one that holds.
void Process::adopt(std::shared_ptr<proxy::Snapshot> snapshot, const proxy::AccessLogFormat& format) {
  const std::shared_ptr<proxy::Snapshot> earlier = std::exchange(snapshot_, std::move(snapshot));
  snapshot_->link(earlier.get());
  discovery_.forget_old_amendments();
  server_changes_.apply(*snapshot_, earlier.get());
  save_servers();
  workers_.apply(snapshot_, sockets_, format, *access_log_);
  update_health_checks(earlier.get());
  if (earlier != nullptr) earlier_snapshots_.push_back(earlier);
}

void Process::update_health_checks(const proxy::Snapshot* earlier) {
  const std::int64_t now_ns = base::wall_clock_ns();
  std::vector<std::vector<std::int64_t>> since_ns;
  for (std::size_t index = 0; index < snapshot_->upstream_count(); ++index) {
    const proxy::UpstreamSnapshot& upstream = snapshot_->upstream(index);
    auto& of_upstream = since_ns.emplace_back();
    for (std::uint32_t server = 0; server < upstream.addresses.size(); ++server) {
      const auto place =
          earlier != nullptr ? earlier->find_server(upstream.state->server(server)) : std::nullopt;
      of_upstream.push_back(place ? health_since_ns_[place->upstream][place->server] : now_ns);
    }
  }
  health_since_ns_ = std::move(since_ns);
  if (prober_ == nullptr) {
    prober_ = std::make_unique<upstream::Prober>(loop_, probe_targets(*snapshot_),
                                                 [this](std::uint32_t upstream, std::uint32_t server) {
                                                   health_since_ns_[upstream][server] = base::wall_clock_ns();
                                                   server_changed(upstream, server);
                                                 });
    prober_->start();
  } else {
    prober_->update(probe_targets(*snapshot_));
  }
}

void Process::reload(ReloadObserver observer) {
  reloads_asked_for_.push_back(std::move(observer));
  if (reloads_under_way_.empty() && (successor_ == nullptr || draining_)) begin_reload();
}

void Process::begin_reload() {
  reloads_under_way_ = std::exchange(reloads_asked_for_, {});
  const auto refuse = [this](std::string reason) {
    loop_.post([this, reason = std::move(reason)] {
      reload_ended(tl::unexpected(ReloadFailure{.diagnostics = {}, .error = reason}));
    });
  };
  if (draining_) return refuse("azulb is draining, and about to end");
  if (!origin_.source) return refuse("azulb runs without a configuration file");
  service_manager_.reloading();
  ConfigSource source = origin_.source;
  rolling_back_ = std::exchange(rollback_wanted_, false);
  if (rolling_back_) source = [config = *proven_config_] { return config::LoadResult(config); };
  background_.run([this, source = std::move(source)]() -> Background::Follow {
    // (`this` is for main alone, which is there if anything follows.)
    auto loaded = std::make_shared<config::LoadResult>(source());
    return [this, loaded] { reload_loaded(std::move(*loaded)); };
  });
}

void Process::reload_loaded(config::LoadResult loaded) {
  if (!loaded)
    return reload_prepared(tl::unexpected(ReloadFailure{.diagnostics = loaded.error(), .error = {}}));
  reload_config_ = std::move(*loaded);
  discovery_.configure(reload_config_->upstreams);
  loop_.timers().list(resolve_limit).start(resolve_timer_);
}

/// When discovery has settled, or nobody wants to wait any longer.
void Process::reload_resolved() {
  resolve_timer_.stop();
  discovery_.settle_now();
  auto config = std::make_shared<config::Config>(std::move(*reload_config_));
  reload_config_.reset();
  background_.run([this, config, servers = discovery_.lists(), earlier = snapshot_]() -> Background::Follow {
    auto prepared = prepare(std::move(*config), servers, earlier.get());
    auto outcome = std::make_shared<tl::expected<Preparation, ReloadFailure>>();
    if (prepared) {
      *outcome = std::move(*prepared);
    } else {
      *outcome = tl::unexpected(ReloadFailure{.diagnostics = {}, .error = prepared.error().message});
    }
    return [this, outcome] { reload_prepared(std::move(*outcome)); };
  });
}

void Process::reload_prepared(tl::expected<Preparation, ReloadFailure> prepared) {
  const ReloadOutcome outcome = apply_reload(std::move(prepared));
  if (!draining_) tell_ready();
  reload_ended(outcome);
}

ReloadOutcome Process::apply_reload(tl::expected<Preparation, ReloadFailure> prepared) {
  if (!prepared) return tl::unexpected(std::move(prepared.error()));
  if (draining_)
    return tl::unexpected(ReloadFailure{.diagnostics = {}, .error = "azulb is draining, and about to end"});
  InheritedSockets none;
  auto resources = open_resources(*prepared, none);
  if (!resources) return tl::unexpected(ReloadFailure{.diagnostics = {}, .error = resources.error().message});
  const std::shared_ptr<proxy::Snapshot> former = snapshot_;
  const Traffic before = Traffic::so_far(workers_.metrics());
  ReloadReport report = take_effect(std::move(*prepared), std::move(*resources));
  if (!report.changes.empty()) begin_probation(former->config(), before);
  return report;
}

void Process::reload_ended(const ReloadOutcome& outcome) {
  if (!outcome) {
    base::log_error("the configuration is not reloaded, all goes on as it was");
    base::write_log_lines(base::LogLevel::error, outcome.error().text());
  } else if (outcome->changes.empty()) {
    base::log_info("the configuration is reloaded: nothing has changed");
  } else {
    base::log_info("the configuration is reloaded");
    for (const config::Change& change : outcome->changes)
      base::log_info("reload: {}", config::to_string(change));
  }
  for (const ReloadObserver& observer : std::exchange(reloads_under_way_, {})) {
    if (observer) observer(outcome);
  }
  if (!reloads_asked_for_.empty()) return begin_reload();
  discovery_.configure(snapshot_->config().upstreams);  // after a failure: as before
  adopt_servers();
  if (!upgrade_observers_.empty() && successor_ == nullptr) begin_upgrade();
}

}  // namespace azulb::daemon
