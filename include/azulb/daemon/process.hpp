// The running process: main's loop, the workers, health checks, admin pages, signals, reloads, upgrades, and
// the way out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "azulb/admin/control.hpp"
#include "azulb/admin/sources.hpp"
#include "azulb/base/line_sink.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/daemon/account.hpp"
#include "azulb/daemon/admin_server.hpp"
#include "azulb/daemon/background.hpp"
#include "azulb/daemon/invocation.hpp"
#include "azulb/daemon/listener_sockets.hpp"
#include "azulb/daemon/pid_file.hpp"
#include "azulb/daemon/predecessor.hpp"
#include "azulb/daemon/probation.hpp"
#include "azulb/daemon/reload.hpp"
#include "azulb/daemon/server_changes.hpp"
#include "azulb/daemon/service_manager.hpp"
#include "azulb/daemon/signals.hpp"
#include "azulb/daemon/state_file.hpp"
#include "azulb/daemon/successor.hpp"
#include "azulb/daemon/watchdog.hpp"
#include "azulb/daemon/workers.hpp"
#include "azulb/discovery/discovery.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/snapshot.hpp"
#include "azulb/upstream/prober.hpp"

namespace azulb::daemon {

/// Where a process comes from, and what it may be made from again.
struct Origin {
  Invocation invocation;  // for an upgrade
  ConfigSource source;    // for a reload
};

/// Main thread only.
class Process final : private admin::Control {
 public:
  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// Resolves, binds, opens logs and starts the threads; takes the place of `predecessor` if there is one.
  /// The error says what failed and what to do; nothing runs then.
  base::Result<void> start(config::Config config, Origin origin, Predecessor& predecessor);

  /// Runs until a signal has ended it: the first SIGTERM or SIGINT drains, a second one ends at once; SIGUSR1
  /// reopens the log files, SIGHUP reloads. Or until a successor, started on SIGUSR2, has taken its place and
  /// what was left to do here is done.
  void run();

  /// See admin::Control. Reloads that are asked for while one is under way are done together, after it.
  void reload(ReloadObserver observer) override;
  /// See admin::Control. Those that are asked for while one is under way are one with it; a reload comes
  /// before, or after it if it fails.
  void upgrade(UpgradeObserver observer) override;

  /// Where a listener listens, with the ports the kernel chose.
  std::vector<base::SocketAddress> listening_on() const { return sockets_.addresses(); }
  /// Of the admin pages; a configuration without them has none.
  const base::SocketAddress& admin_address() const { return admin_->address(); }

 private:
  /// What is opened for a snapshot before it takes effect: none of it changes what runs.
  struct Resources {
    ListenerSockets sockets;
    std::optional<std::vector<net::BoundSocket>> admin_sockets;  // nothing: as they are
    std::optional<base::LineOutput> access_log;                  // nothing: as it is
  };

  // process.cpp
  /// What needed the rights that azulb was started with is done.
  static base::Result<void> give_up_privileges(const Account& account, const config::Config& config,
                                               const Resources& resources);
  void start_admin(std::vector<net::BoundSocket> sockets);
  void retire_admin();
  void end_retired_admins();
  void server_changed(std::uint32_t upstream, std::uint32_t server);
  void on_tick();
  void end_ejections();
  void refresh_stapled_responses();
  void tell_ready();
  void on_signal(int number);
  void drain();
  void begin_draining();
  void on_drained();
  void reopen_logs();
  void end();
  admin::AdminSources admin_sources() const;

  // process_reload.cpp
  base::Result<Resources> open_resources(const Preparation& prepared, InheritedSockets& inherited) const;
  base::Result<std::optional<std::vector<net::BoundSocket>>> open_admin_sockets(
      const Preparation& prepared, InheritedSockets& inherited) const;
  ReloadReport take_effect(Preparation prepared, Resources resources);
  void update_health_checks(const proxy::Snapshot* earlier);
  void adopt(std::shared_ptr<proxy::Snapshot> snapshot, const proxy::AccessLogFormat& format);
  void begin_reload();
  void reload_loaded(config::LoadResult loaded);
  void reload_resolved();
  void reload_prepared(tl::expected<Preparation, ReloadFailure> prepared);
  ReloadOutcome apply_reload(tl::expected<Preparation, ReloadFailure> prepared);
  void reload_ended(const ReloadOutcome& outcome);

  // process_upgrade.cpp
  static Resources hold_back(Resources& resources, const config::Config& config);
  base::Result<void> replace(Predecessor& predecessor, Resources resources, const std::vector<int>& left);
  void wait_for_first_checks(const Predecessor& predecessor);
  bool awaits_first_check() const;
  void begin_upgrade();
  void hand_over(const std::vector<int>& left);
  void close_idle_connections();
  void upgrade_failed(UpgradeFailure failure);
  void tell_upgrade_observers(const UpgradeOutcome& outcome);
  // process_servers.cpp
  bool set_admin_state(std::uint32_t upstream, std::uint32_t server, balance::AdminState state) override;
  bool set_weight(std::uint32_t upstream, std::uint32_t server, std::uint32_t weight) override;
  base::Result<bool> add_server(std::uint32_t upstream, const config::Server& server) override;
  base::Result<void> remove_server(std::uint32_t upstream, std::uint32_t server) override;
  std::vector<std::string> removed_servers(const std::string& upstream) const;
  base::Result<void> restore_servers(const config::Config& config, const Handover* handover);
  bool take_over_servers(const Handover& handover);
  std::string servers_text() const;
  void save_servers();
  void servers_amended();

  // process_probation.cpp
  void start_probation_timer();
  void begin_probation(const config::Config& former, const Traffic& before);
  void look_at_traffic();
  void roll_back();

  // process_discovery.cpp
  bool resolve_at_start(const config::Config& config);
  void discovered();
  void adopt_servers();

  net::Loop loop_;
  Origin origin_;
  discovery::Discovery discovery_{loop_, [this] { discovered(); }};
  discovery::ServerLists servers_;  // that the snapshot is made with
  std::shared_ptr<proxy::Snapshot> snapshot_;
  std::vector<std::weak_ptr<proxy::Snapshot>> earlier_snapshots_;  // that exchanges may still go by
  std::unique_ptr<base::LineSink> access_log_;
  ListenerSockets sockets_;
  Workers workers_{loop_};
  std::vector<std::vector<std::int64_t>> health_since_ns_;  // [upstream][server], wall clock
  std::unique_ptr<upstream::Prober> prober_;
  std::unique_ptr<AdminServer> admin_;
  std::vector<std::unique_ptr<AdminServer>> retired_admins_;  // still answering
  PidFile pid_file_;
  ServiceManager service_manager_ = ServiceManager::from_environment();
  Watchdog watchdog_{loop_, service_manager_, workers_};
  Signals signals_{loop_};
  Background background_{loop_};
  ServerChanges server_changes_;
  StateFile state_file_{background_};
  std::vector<ReloadObserver> reloads_under_way_;
  std::vector<ReloadObserver> reloads_asked_for_;
  std::optional<config::Config> reload_config_;     // whose names are being resolved
  std::vector<UpgradeObserver> upgrade_observers_;  // none: no upgrade is asked for
  std::unique_ptr<Successor> successor_;
  net::MemberTimer<Process, &Process::close_idle_connections> idle_timer_{*this};
  net::MemberTimer<Process, &Process::reload_resolved> resolve_timer_{*this};
  net::MemberTimer<Process, &Process::on_tick> tick_{*this};
  net::MemberTimer<Process, &Process::refresh_stapled_responses> staple_timer_{*this};
  net::MemberTimer<Process, &Process::end> drain_timer_{*this};
  Probation probation_;
  std::optional<config::Config> proven_config_;  // that was before the one on probation
  admin::Rollback last_rollback_;
  std::uint64_t rollbacks_ = 0;
  net::MemberTimer<Process, &Process::look_at_traffic> probation_timer_{*this};
  std::int64_t started_ns_ = 0;
  bool serving_ = false;        // from the end of the start on
  bool keeps_servers_ = false;  // the state file is this process's
  bool interrupted_ = false;    // by a signal, before that
  bool asked_to_end_ = false;   // by a signal, after that
  bool draining_ = false;
  bool rollback_wanted_ = false;
  bool rolling_back_ = false;  // the reload under way goes back to `proven_config_`
  bool ended_ = false;
};

}  // namespace azulb::daemon
