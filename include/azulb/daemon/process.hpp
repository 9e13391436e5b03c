// The running process: main's loop, the workers, health checks, admin pages, signals, and the way out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "azulb/admin/control.hpp"
#include "azulb/admin/sources.hpp"
#include "azulb/base/line_sink.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/daemon/account.hpp"
#include "azulb/daemon/admin_server.hpp"
#include "azulb/daemon/listener_sockets.hpp"
#include "azulb/daemon/pid_file.hpp"
#include "azulb/daemon/service_manager.hpp"
#include "azulb/daemon/signals.hpp"
#include "azulb/daemon/watchdog.hpp"
#include "azulb/daemon/worker_thread.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/proxy/snapshot.hpp"
#include "azulb/upstream/prober.hpp"

namespace azulb::daemon {

/// Main thread only.
class Process final : private admin::Control {
 public:
  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// Resolves, binds, opens logs and starts the threads. The error says what failed and what to do; nothing
  /// runs then.
  base::Result<void> start(config::Config config);

  /// Runs until a signal has ended it: the first SIGTERM or SIGINT drains, a second one ends at once; SIGUSR1
  /// reopens the log files.
  void run();

  /// Where a listener listens, with the ports the kernel chose.
  std::vector<base::SocketAddress> listening_on() const;
  /// Of the admin pages; a configuration without them has none.
  const base::SocketAddress& admin_address() const { return admin_->address(); }

 private:
  base::Result<void> bind_listeners();
  base::Result<void> open_access_log();
  /// What needed the rights that azulb was started with is done.
  base::Result<void> give_up_privileges(const Account& account);
  base::Result<void> start_workers();
  base::Result<void> start_admin();
  void start_health_checks();
  void server_changed(std::uint32_t upstream, std::uint32_t server);
  bool set_admin_state(std::uint32_t upstream, std::uint32_t server, balance::AdminState state) override;
  bool set_weight(std::uint32_t upstream, std::uint32_t server, std::uint32_t weight) override;
  void on_tick();
  void refresh_stapled_responses();
  void on_signal(int number);
  void drain();
  void reopen_logs();
  void worker_drained();
  void stop_workers();
  void end();
  admin::AdminSources admin_sources() const;

  net::Loop loop_;
  std::shared_ptr<proxy::Snapshot> snapshot_;
  proxy::SharedState shared_;
  std::unique_ptr<base::LineSink> access_log_;
  std::vector<ListenerSockets> sockets_;  // of each listener
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::vector<std::vector<std::int64_t>> health_since_ns_;  // [upstream][server], wall clock
  std::unique_ptr<upstream::Prober> prober_;
  proxy::MetricLabels labels_;
  std::unique_ptr<AdminServer> admin_;
  PidFile pid_file_;
  ServiceManager service_manager_ = ServiceManager::from_environment();
  Watchdog watchdog_{loop_, service_manager_, workers_};
  Signals signals_{loop_};
  net::MemberTimer<Process, &Process::on_tick> tick_{*this};
  net::MemberTimer<Process, &Process::refresh_stapled_responses> staple_timer_{*this};
  net::MemberTimer<Process, &Process::end> drain_timer_{*this};
  std::int64_t started_ns_ = 0;
  std::size_t workers_accepting_ = 0;
  std::size_t workers_draining_ = 0;
  bool draining_ = false;
  bool ended_ = false;
};

}  // namespace azulb::daemon
