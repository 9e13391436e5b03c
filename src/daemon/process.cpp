#include "azulb/daemon/process.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <unordered_set>
#include <utility>

#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/daemon/account.hpp"
#include "azulb/daemon/file_access.hpp"
#include "azulb/daemon/privileges.hpp"
#include "log_settings.hpp"

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

// How often ejections whose time is over are ended.
constexpr auto tick_interval = 100ms;
// How often it is looked whether files with OCSP responses have changed.
constexpr auto staple_interval = 1s;

// What ending takes beyond the drain: the last log lines of an output that is slow.
constexpr auto stop_margin = 10s;

std::string addresses_text(const std::vector<base::SocketAddress>& addresses) {
  std::string text;
  for (const base::SocketAddress& address : addresses)
    text += (text.empty() ? "" : ", ") + address.text();
  return text;
}

}  // namespace

Process::~Process() {
  workers_.stop();
}

base::Result<void> Process::start(config::Config config, Origin origin, Predecessor& predecessor) {
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
  signals_.listen({SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP}, [this](int number) { on_signal(number); });
  started_ns_ = base::wall_clock_ns();
  origin_ = std::move(origin);
  const Handover* const handover = predecessor.handover();
  if (auto restored = restore_servers(config, handover); !restored) return restored;
  if (!resolve_at_start(config)) return base::failure("ended by a signal before it was ready");
  auto prepared = prepare(std::move(config), discovery_.lists(), nullptr);
  if (!prepared) return tl::unexpected<base::Error>(prepared.error());
  auto access_log = base::LineSink::open("off");
  if (!access_log) return tl::unexpected<base::Error>(access_log.error());
  access_log_ = std::move(*access_log);
  auto inherited = handover != nullptr ? InheritedSockets::from_predecessor(*handover)
                                       : InheritedSockets::from_environment();
  if (!inherited) return tl::unexpected<base::Error>(inherited.error());
  auto resources = open_resources(*prepared, *inherited);
  if (!resources) return tl::unexpected<base::Error>(resources.error());
  if (auto taken = inherited->all_taken(); handover == nullptr && !taken) return taken;
  auto pid_file = pid_file_.open(prepared->snapshot->config().process.pid_file,
                                 handover != nullptr ? handover->pid_file : -1);
  if (!pid_file) return pid_file;
  if (*account) {
    auto given_up = give_up_privileges(**account, prepared->snapshot->config(), *resources);
    if (!given_up) return given_up;
  }
  if (handover == nullptr) {
    keeps_servers_ = true;
    take_effect(std::move(*prepared), std::move(*resources));
  } else {
    auto held = hold_back(*resources, prepared->snapshot->config());
    take_effect(std::move(*prepared), std::move(*resources));
    std::vector<int> left = inherited->left();
    if (handover->pid_file >= 0 && !pid_file_.is_inherited()) left.push_back(handover->pid_file);
    if (auto replaced = replace(predecessor, std::move(held), left); !replaced) return replaced;
  }
  if (auto written = pid_file_.write(); !written) base::log_error("{}", written.error().message);
  loop_.timers().list(tick_interval).start(tick_);
  for (const base::SocketAddress& address : listening_on())
    base::log_info("listening on {}", address.text());
  if (admin_ != nullptr) base::log_info("admin pages on {}", admin_->address().text());
  base::log_info("azulb {} is ready: {} workers, process {}", AZULB_VERSION, workers_.count(), getpid());
  tell_ready();
  watchdog_.start();
  serving_ = true;
  return {};
}

void Process::tell_ready() {
  service_manager_.ready(
      fmt::format("serving on {}, with {} workers", addresses_text(listening_on()), workers_.count()));
}

base::Result<void> Process::give_up_privileges(const Account& account, const config::Config& config,
                                               const Resources& resources) {
  if (auto given = resources.sockets.give_to(account); !given) return given;
  if (resources.admin_sockets) {
    for (const net::BoundSocket& socket : *resources.admin_sockets) {
      if (auto given = socket.give_to(account.user, account.group); !given) return given;
    }
  }
  if (auto changed = become(account, needs_low_ports(config)); !changed) return changed;
  base::log_info("running as {} (user {}, group {})", account.name, account.user, account.group);
  warn_of_files_out_of_reach(config, account);
  return {};
}

void Process::start_admin(std::vector<net::BoundSocket> sockets) {
  admin_ = std::make_unique<AdminServer>(
      loop_, std::move(sockets), [this] { return admin_sources(); }, static_cast<admin::Control&>(*this));
}

void Process::retire_admin() {
  admin_->drain();  // the answer to whoever asked for this may be on its way
  retired_admins_.push_back(std::move(admin_));
}

void Process::end_retired_admins() {
  std::erase_if(retired_admins_, [](const auto& admin) { return admin->ended(); });
}

void Process::server_changed(std::uint32_t upstream, std::uint32_t server) {
  workers_.server_changed(snapshot_->upstream(upstream).state->shared_server(server));
  if (admin_ != nullptr) admin_->changed();
}

void Process::on_tick() {
  end_ejections();
  end_retired_admins();
  loop_.timers().list(tick_interval).start(tick_);
}

void Process::end_ejections() {
  std::erase_if(earlier_snapshots_, [](const auto& snapshot) { return snapshot.expired(); });
  std::vector<std::shared_ptr<proxy::Snapshot>> snapshots = {snapshot_};
  for (const auto& snapshot : earlier_snapshots_)
    snapshots.push_back(snapshot.lock());
  std::unordered_set<balance::UpstreamState*> done;  // several snapshots may share one
  for (const auto& snapshot : snapshots) {
    if (snapshot == nullptr) continue;
    for (std::size_t index = 0; index < snapshot->upstream_count(); ++index) {
      const auto& state = snapshot->upstream(index).state;
      if (!done.insert(state.get()).second) continue;
      for (const std::uint32_t server : state->expire_ejections(loop_.now_ms())) {
        base::log_info("upstream {}: server {} is no longer ejected", state->settings().name,
                       state->server(server).name());
        workers_.server_changed(state->shared_server(server));
      }
    }
  }
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
  if (!serving_) {
    interrupted_ = interrupted_ || number == SIGTERM || number == SIGINT;
    return;
  }
  if (number == SIGUSR1) return reopen_logs();
  if (number == SIGUSR2) return upgrade(nullptr);
  if (number == SIGHUP) return reload(nullptr);
  if (std::exchange(asked_to_end_, true)) {
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
  if (successor_ != nullptr && !draining_) {
    upgrade_failed({.reason = "azulb is to end before the new process is ready", .text = {}});
  }
  if (!draining_) begin_draining();
  workers_.drain([this] { sockets_ = {}; },  // from here on, connections are refused
                 [this] { on_drained(); });
}

void Process::begin_draining() {
  draining_ = true;
  const auto limit = snapshot_->config().process.drain_timeout;
  base::log_info("draining: no new connections; what runs has {} to finish", base::format_duration(limit));
  service_manager_.stopping(limit + stop_margin, "draining: running requests finish, no new connections");
  loop_.timers().list(limit).start(drain_timer_);
}

void Process::on_drained() {
  base::log_info("drained");
  end();
}

void Process::end() {
  if (std::exchange(ended_, true)) return;
  workers_.stop();
  loop_.deliver_messages();  // their last lines for the log
  drain_timer_.stop();
  idle_timer_.stop();
  tick_.stop();
  staple_timer_.stop();
  probation_timer_.stop();
  watchdog_.stop();
  successor_.reset();
  if (prober_ != nullptr) prober_->stop();
  if (admin_ != nullptr) admin_->stop();
  for (const auto& admin : retired_admins_)
    admin->stop();
  if (access_log_ != nullptr) access_log_->stop();
  state_file_.finish();
  base::log_info("azulb has ended");
  loop_.stop();
}

admin::AdminSources Process::admin_sources() const {
  admin::AdminSources sources;
  sources.version = AZULB_VERSION;
  sources.config = &snapshot_->config();
  sources.snapshot = snapshot_.get();
  sources.labels = &workers_.labels();
  sources.workers = workers_.metrics();
  sources.descriptor_table_threads = workers_.descriptor_table_threads();
  for (std::size_t index = 0; index < snapshot_->upstream_count(); ++index) {
    const proxy::UpstreamSnapshot& upstream = snapshot_->upstream(index);
    sources.upstreams.push_back({.state = upstream.state,
                                 .health_since_ns = health_since_ns_[index],
                                 .server_sources = upstream.sources,
                                 .discovered = discovery_.sources(upstream.config->name),
                                 .removed = removed_servers(upstream.config->name)});
  }
  sources.access_log = access_log_.get();
  sources.token = snapshot_->config().admin->token;
  sources.started_ns = started_ns_;
  sources.draining = draining_;
  sources.on_probation = probation_.running();
  sources.last_rollback = last_rollback_;
  sources.rollbacks = rollbacks_;
  sources.wall_clock_ns = base::wall_clock_ns();
  sources.monotonic_ms = base::monotonic_ms();
  return sources;
}

}  // namespace azulb::daemon
