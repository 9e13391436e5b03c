#include "azulb/daemon/process.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/daemon/account.hpp"
#include "azulb/daemon/descriptor_limit.hpp"
#include "azulb/daemon/file_access.hpp"
#include "azulb/daemon/privileges.hpp"

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

// How often ejections whose time is over are ended.
constexpr auto tick_interval = 100ms;
// How often it is looked whether files with OCSP responses have changed.
constexpr auto staple_interval = 1s;

// What ending takes beyond the drain: the last log lines of an output that is slow.
constexpr auto stop_margin = 10s;

base::LogSettings log_settings(const config::Log& log) {
  return {.level = static_cast<base::LogLevel>(log.level),
          .output = log.output,
          .json = log.format == config::LogFormat::json};
}

base::Error in_context(std::string context, const base::Error& error) {
  return {std::move(context) + ": " + error.message, error.system_error};
}

base::Result<void> give_to(const Account& account, const std::vector<net::BoundSocket>& sockets) {
  for (const net::BoundSocket& socket : sockets) {
    if (auto given = socket.give_to(account.user, account.group); !given) return given;
  }
  return {};
}

std::string addresses_text(const std::vector<base::SocketAddress>& addresses) {
  std::string text;
  for (const base::SocketAddress& address : addresses)
    text += (text.empty() ? "" : ", ") + address.text();
  return text;
}

}  // namespace

Process::~Process() {
  stop_workers();
}

base::Result<void> Process::start(config::Config config) {
  forbid_new_privileges();
  auto account = find_account(config.process);
  if (!account) return tl::unexpected<base::Error>(account.error());
  if (*account) {
    if (auto may = may_become(**account); !may) return may;
    create_log_files(config, **account);
  }
  if (auto opened = base::open_log(log_settings(config.log)); !opened) return opened;
  std::signal(SIGPIPE, SIG_IGN);
  // Before anything listens: whoever sees the port open may send a signal.
  signals_.listen({SIGTERM, SIGINT, SIGUSR1, SIGHUP}, [this](int number) { on_signal(number); });
  started_ns_ = base::wall_clock_ns();
  raise_descriptor_limit(config.process.max_connections);
  auto snapshot = proxy::Snapshot::build(std::move(config));
  if (!snapshot) return tl::unexpected<base::Error>(snapshot.error());
  snapshot_ = std::move(*snapshot);
  labels_ = snapshot_->metric_labels();
  refresh_stapled_responses();
  if (auto bound = bind_listeners(); !bound) return bound;
  if (auto started = start_admin(); !started) return started;
  if (auto written = pid_file_.write(snapshot_->config().process.pid_file); !written) return written;
  if (auto opened = open_access_log(); !opened) return opened;
  if (*account) {
    if (auto given_up = give_up_privileges(**account); !given_up) return given_up;
  }
  if (auto started = start_workers(); !started) return started;
  start_health_checks();
  loop_.timers().list(tick_interval).start(tick_);
  for (const base::SocketAddress& address : listening_on())
    base::log_info("listening on {}", address.text());
  if (admin_ != nullptr) base::log_info("admin pages on {}", admin_->address().text());
  base::log_info("azulb {} is ready: {} workers, process {}", AZULB_VERSION, workers_.size(), getpid());
  service_manager_.ready(
      fmt::format("serving on {}, with {} workers", addresses_text(listening_on()), workers_.size()));
  watchdog_.start();
  return {};
}

base::Result<void> Process::bind_listeners() {
  const LowPortsAllowed low_ports;
  auto inherited = InheritedSockets::from_environment();
  if (!inherited) return tl::unexpected<base::Error>(inherited.error());
  for (const config::Listener& listener : snapshot_->config().listeners) {
    auto bound = bind_listener(listener, snapshot_->config().process.workers, *inherited);
    if (!bound) return tl::unexpected<base::Error>(bound.error());
    sockets_.push_back(std::move(*bound));
  }
  return inherited->all_taken();
}

base::Result<void> Process::open_access_log() {
  auto sink = base::LineSink::open(snapshot_->config().access_log.output);
  if (!sink) return tl::unexpected(in_context("access_log", sink.error()));
  access_log_ = std::move(*sink);
  return {};
}

base::Result<void> Process::give_up_privileges(const Account& account) {
  for (const ListenerSockets& of_listener : sockets_) {
    for (const AddressSockets& of_address : of_listener) {
      if (auto given = give_to(account, of_address); !given) return given;
    }
  }
  if (admin_ != nullptr) {
    if (auto given = give_to(account, admin_->sockets()); !given) return given;
  }
  const config::Config& config = snapshot_->config();
  if (auto changed = become(account, needs_low_ports(config)); !changed) return changed;
  base::log_info("running as {} (user {}, group {})", account.name, account.user, account.group);
  warn_of_files_out_of_reach(config, account);
  return {};
}

base::Result<void> Process::start_workers() {
  const config::Config& config = snapshot_->config();
  auto format = proxy::AccessLogFormat::compile(config.access_log.format);
  if (!format) return tl::unexpected(in_context("access_log.format", format.error()));
  std::vector<int> wake_descriptors;
  if (access_log_->enabled()) wake_descriptors.push_back(access_log_->wake_descriptor());
  for (unsigned index = 0; index < config.process.workers; ++index) {
    std::vector<std::vector<const net::BoundSocket*>> sockets;
    for (const auto& of_listener : sockets_) {
      auto& for_worker = sockets.emplace_back();
      for (const auto& of_address : of_listener)
        for_worker.push_back(&of_address[index % of_address.size()]);
    }
    base::LineProducer* producer = access_log_->enabled() ? &access_log_->add_producer() : nullptr;
    proxy::AccessLog log(*format, {config.access_log.sample, base::Random::from_system()}, producer);
    workers_.push_back(std::make_unique<WorkerThread>(loop_, snapshot_,
                                                      std::make_shared<proxy::WorkerMetrics>(labels_.shape()),
                                                      shared_, std::move(log), sockets, wake_descriptors));
  }
  for (const auto& worker : workers_)
    worker->start();
  workers_accepting_ = workers_draining_ = workers_.size();
  return {};
}

base::Result<void> Process::start_admin() {
  const auto& config = snapshot_->config().admin;
  if (!config) return {};
  const auto addresses = base::resolve(config->address, true);
  if (!addresses) return tl::unexpected(in_context("admin", addresses.error()));
  std::vector<net::BoundSocket> sockets;
  for (const base::SocketAddress& address : *addresses) {
    auto socket = net::BoundSocket::bind(address, SOMAXCONN, false);
    if (!socket) return tl::unexpected(in_context("admin", socket.error()));
    sockets.push_back(std::move(*socket));
  }
  admin_ = std::make_unique<AdminServer>(
      loop_, std::move(sockets), [this] { return admin_sources(); }, static_cast<admin::Control&>(*this));
  return {};
}

void Process::start_health_checks() {
  std::vector<upstream::ProbeTarget> targets;
  for (std::size_t index = 0; index < snapshot_->upstream_count(); ++index) {
    proxy::UpstreamSnapshot& upstream = snapshot_->upstream(index);
    health_since_ns_.emplace_back(upstream.addresses.size(), started_ns_);
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
  prober_ = std::make_unique<upstream::Prober>(loop_, std::move(targets),
                                               [this](std::uint32_t upstream, std::uint32_t server) {
                                                 health_since_ns_[upstream][server] = base::wall_clock_ns();
                                                 server_changed(upstream, server);
                                               });
  prober_->start();
}

void Process::server_changed(std::uint32_t upstream, std::uint32_t server) {
  for (const auto& worker : workers_)
    worker->server_changed(upstream, server);
  if (admin_ != nullptr) admin_->changed();
}

bool Process::set_admin_state(std::uint32_t upstream, std::uint32_t server, balance::AdminState state) {
  balance::UpstreamState& states = *snapshot_->upstream(upstream).state;
  const balance::ServerState& changed = states.server(server);
  const balance::Health before = changed.health();
  if (!states.set_admin_state(server, state)) return false;
  if (changed.health() != before) health_since_ns_[upstream][server] = base::wall_clock_ns();
  base::log_info("upstream {}: server {} is {} from now on, as asked for", states.settings().name,
                 changed.name(), balance::to_string(state));
  server_changed(upstream, server);
  return true;
}

bool Process::set_weight(std::uint32_t upstream, std::uint32_t server, std::uint32_t weight) {
  balance::UpstreamState& states = *snapshot_->upstream(upstream).state;
  if (!states.set_weight(server, weight)) return false;
  base::log_info("upstream {}: server {} has weight {} from now on, as asked for", states.settings().name,
                 states.server(server).name(), weight);
  return true;
}

void Process::on_tick() {
  for (std::size_t index = 0; index < snapshot_->upstream_count(); ++index) {
    proxy::UpstreamSnapshot& upstream = snapshot_->upstream(index);
    for (const std::uint32_t server : upstream.state->expire_ejections(loop_.now_ms())) {
      base::log_info("upstream {}: server {} is no longer ejected", upstream.config->name,
                     upstream.state->server(server).name());
      server_changed(upstream.index, server);
    }
  }
  loop_.timers().list(tick_interval).start(tick_);
}

void Process::refresh_stapled_responses() {
  for (const tls::Notice& notice :
       snapshot_->refresh_stapled_responses(base::wall_clock_ns() / 1'000'000'000))
    notice.is_warning ? base::log_warn("{}", notice.text) : base::log_info("{}", notice.text);
  loop_.timers().list(staple_interval).start(staple_timer_);
}

void Process::run() {
  loop_.run();
}

void Process::on_signal(int number) {
  if (number == SIGUSR1) return reopen_logs();
  if (number == SIGHUP)
    return base::log_error(
        "SIGHUP: reloading is not supported yet; restart azulb to change its configuration");
  if (draining_) {
    base::log_warn("second signal: ending at once");
    return end();
  }
  drain();
}

void Process::reopen_logs() {
  access_log_->reopen();
  if (auto reopened = base::reopen_log(); !reopened) {
    base::log_error("{}", reopened.error().message);
  } else {
    base::log_info("log files are reopened");
  }
}

void Process::drain() {
  draining_ = true;
  const auto limit = snapshot_->config().process.drain_timeout;
  base::log_info("draining: no new connections; what runs has {} to finish", base::format_duration(limit));
  service_manager_.stopping(limit + stop_margin, "draining: running requests finish, no new connections");
  loop_.timers().list(limit).start(drain_timer_);
  for (const auto& worker : workers_) {
    worker->drain(
        [this] {
          loop_.post([this] {
            if (--workers_accepting_ == 0) sockets_.clear();  // from here on, connections are refused
          });
        },
        [this] { loop_.post([this] { worker_drained(); }); });
  }
}

void Process::worker_drained() {
  if (--workers_draining_ > 0) return;
  base::log_info("drained");
  end();
}

void Process::stop_workers() {
  for (const auto& worker : workers_)
    worker->stop();
  loop_.deliver_messages();  // their last lines for the log
}

void Process::end() {
  if (std::exchange(ended_, true)) return;
  stop_workers();
  drain_timer_.stop();
  tick_.stop();
  staple_timer_.stop();
  watchdog_.stop();
  if (prober_ != nullptr) prober_->stop();
  if (admin_ != nullptr) admin_->stop();
  if (access_log_ != nullptr) access_log_->stop();
  base::log_info("azulb has ended");
  loop_.stop();
}

std::vector<base::SocketAddress> Process::listening_on() const {
  std::vector<base::SocketAddress> addresses;
  for (const auto& of_listener : sockets_) {
    for (const auto& of_address : of_listener)
      addresses.push_back(of_address.front().address());
  }
  return addresses;
}

admin::AdminSources Process::admin_sources() const {
  admin::AdminSources sources;
  sources.version = AZULB_VERSION;
  sources.config = &snapshot_->config();
  sources.snapshot = snapshot_.get();
  sources.labels = &labels_;
  for (const auto& worker : workers_) {
    sources.workers.push_back(&worker->metrics());
    const int thread = worker->descriptor_table_thread();
    if (thread != 0) sources.descriptor_table_threads.push_back(thread);
  }
  for (std::size_t index = 0; index < snapshot_->upstream_count(); ++index) {
    sources.upstreams.push_back({snapshot_->upstream(index).state, health_since_ns_[index]});
  }
  sources.access_log = access_log_.get();
  sources.token = snapshot_->config().admin->token;
  sources.started_ns = started_ns_;
  sources.draining = draining_;
  sources.wall_clock_ns = base::wall_clock_ns();
  sources.monotonic_ms = base::monotonic_ms();
  return sources;
}

}  // namespace azulb::daemon
