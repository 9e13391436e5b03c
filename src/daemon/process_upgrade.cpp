// One azulb takes another's place: both ends. See handover.hpp for what they say to each other.
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/daemon/process.hpp"

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

// For how long a new process leaves the traffic to its predecessor while a server has not been checked yet.
constexpr auto first_checks_limit = 5s;

// A client that has had no answer for so long after the new process has begun does not have its next request
// on the way.
constexpr auto idle_limit = 1s;

// The init process of a container, with which the container ends.
constexpr pid_t init_process = 1;

}  // namespace

// ---- the new process
/// What lets clients in, for later.
Process::Resources Process::hold_back(Resources& resources, const config::Config& config) {
  Resources held;
  held.sockets = std::exchange(resources.sockets, ListenerSockets::none(config));
  held.admin_sockets = std::exchange(resources.admin_sockets, std::nullopt);
  return held;
}

/// Workers run, and nobody is let in yet: connections are the predecessor's until it gives them up.
base::Result<void> Process::replace(Predecessor& predecessor, Resources resources,
                                    const std::vector<int>& left) {
  wait_for_first_checks(predecessor);
  auto replaced = predecessor.replace(loop_, left, [this] { return interrupted_; });
  if (!replaced) {
    end();
    loop_.run();  // which gives back what has ended
    return replaced;
  }
  sockets_ = std::move(resources.sockets);
  sockets_.own();
  sockets_.listen(snapshot_->config());
  keeps_servers_ = true;
  take_over_servers(*predecessor.handover());
  adopt(snapshot_->with_servers(servers_),
        *proxy::AccessLogFormat::compile(snapshot_->config().access_log.format));
  if (resources.admin_sockets) {
    for (net::BoundSocket& socket : *resources.admin_sockets)
      socket.own();
    start_admin(std::move(*resources.admin_sockets));
  }
  base::log_info("azulb takes the place of process {}", predecessor.handover()->predecessor);
  return {};
}

/// Else the first requests would wait, or, where there are many, be refused.
void Process::wait_for_first_checks(const Predecessor& predecessor) {
  const std::int64_t end_ms =
      base::monotonic_ms() +
      std::chrono::duration_cast<std::chrono::milliseconds>(first_checks_limit).count();
  while (awaits_first_check() && !interrupted_ && !predecessor.gone()) {
    const std::int64_t left_ms = end_ms - base::monotonic_ms();
    if (left_ms <= 0) return;
    loop_.run_once(std::min<std::chrono::milliseconds>(std::chrono::milliseconds(left_ms), 100ms));
  }
}

bool Process::awaits_first_check() const {
  for (std::size_t index = 0; index < snapshot_->upstream_count(); ++index) {
    const balance::UpstreamState& state = *snapshot_->upstream(index).state;
    for (std::uint32_t server = 0; server < state.server_count(); ++server) {
      if (state.server(server).health() == balance::Health::unknown) return true;
    }
  }
  return false;
}

// ---- the process that is replaced
void Process::upgrade(UpgradeObserver observer) {
  upgrade_observers_.push_back(std::move(observer));
  const bool is_first = upgrade_observers_.size() == 1;
  if (is_first && reloads_under_way_.empty()) begin_upgrade();
}

void Process::begin_upgrade() {
  const auto fail = [this](std::string reason) {
    loop_.post([this, reason = std::move(reason)] { upgrade_failed({.reason = reason, .text = {}}); });
  };
  if (draining_) return fail("azulb is draining, and about to end");
  if (getpid() == init_process)
    return fail("azulb is process 1, and its container ends with it: replace the container instead");
  auto handed = sockets_.handed();
  if (admin_ != nullptr) {
    auto of_admin = admin_->handed();
    std::move(of_admin.begin(), of_admin.end(), std::back_inserter(handed));
  }
  successor_ = std::make_unique<Successor>(
      loop_, Successor::Observer{
                 .on_ready = [this](const std::vector<int>& left) { hand_over(left); },
                 .on_failure =
                     [this](const std::string& reason, std::string text) {
                       upgrade_failed({"the new process did not get ready: " + reason, std::move(text)});
                     }});
  base::log_info("upgrade: starting {}", origin_.invocation.program);
  const auto started = successor_->start(origin_.invocation, handed, pid_file_.descriptor(), servers_text(),
                                         snapshot_->config().process.upgrade_timeout);
  if (started) return;
  successor_.reset();
  fail(started.error().message);
}

/// The successor is ready.
void Process::hand_over(const std::vector<int>& left) {
  const pid_t process = successor_->process();
  service_manager_.main_process(process);  // first, as it hears of readiness from its main process only
  state_file_.finish();                    // from here on it is the successor's
  if (!successor_->let_serve(servers_text())) return service_manager_.main_process(getpid());
  keeps_servers_ = false;
  state_file_.set_path("");
  watchdog_.stop();
  service_manager_.fall_silent();
  base::log_info("upgrade: process {} serves from here on", process);
  begin_draining();
  if (std::find(left.begin(), left.end(), pid_file_.descriptor()) == left.end()) pid_file_.give_up();
  const auto given_up = sockets_.give_up(left);
  if (admin_ != nullptr) admin_->give_up(left);
  workers_.leave(given_up, [this] { on_drained(); });
  sockets_ = {};
  loop_.timers().list(idle_limit).start(idle_timer_);
  tell_upgrade_observers(UpgradeReport{.process = process, .previous = getpid()});
  if (admin_ != nullptr) retire_admin();
}

void Process::close_idle_connections() {
  workers_.drain([] {}, [this] { on_drained(); });
}

void Process::upgrade_failed(UpgradeFailure failure) {
  successor_.reset();
  base::log_error("the upgrade has failed, this process goes on: {}", failure.reason);
  if (!failure.text.empty()) base::write_log_lines(base::LogLevel::error, failure.text);
  tell_upgrade_observers(tl::unexpected(std::move(failure)));
  if (reloads_under_way_.empty() && !reloads_asked_for_.empty()) begin_reload();
}

void Process::tell_upgrade_observers(const UpgradeOutcome& outcome) {
  for (const UpgradeObserver& observer : std::exchange(upgrade_observers_, {})) {
    if (observer) observer(outcome);
  }
}

}  // namespace azulb::daemon
