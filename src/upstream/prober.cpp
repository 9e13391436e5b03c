#include "azulb/upstream/prober.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "azulb/base/log.hpp"
#include "probe.hpp"

namespace azulb::upstream {
namespace {

base::SocketAddress checked_address(const ProbeTarget& target) {
  if (target.health.port == 0 || target.address.is_unix()) return target.address;
  return base::SocketAddress::from_ip(target.address.ip(), target.health.port);
}

/// "app2 (127.0.0.1:3002)", or the address alone for a server without a name of its own.
std::string label(const ProbeTarget& target) {
  const balance::ServerState& server = target.state->server(target.server);
  return server.name() == server.address() ? server.address() : server.name() + " (" + server.address() + ")";
}

bool is_disabled(const ProbeTarget& target) {
  return target.state->server(target.server).admin_state() == balance::AdminState::disabled;
}

const balance::ServerState& server_of(const ProbeTarget& target) {
  return target.state->server(target.server);
}

void log_change(const ProbeTarget& target, const std::string& reason) {
  const balance::UpstreamSummary summary = target.state->summary();
  const bool up = target.state->server(target.server).health() == balance::Health::up;
  const std::string line =
      fmt::format("upstream {}: server {} is {}: {} ({} of {} servers up)", target.upstream, label(target),
                  up ? "up" : "down", reason, summary.up, summary.servers);
  base::write_log(up ? base::LogLevel::info : base::LogLevel::warn, line);
}

}  // namespace

Prober::Prober(net::Loop& loop, std::vector<ProbeTarget> targets, Observer observer)
    : loop_(loop), observer_(std::move(observer)), home_(std::make_shared<ProbeHome>()) {
  checks_.reserve(targets.size());
  for (ProbeTarget& target : targets)
    checks_.push_back(check_of(std::move(target)));
}

Prober::Check Prober::check_of(ProbeTarget target) {
  Check check;
  check.address = checked_address(target);
  check.target = std::move(target);
  return check;
}

Prober::~Prober() {
  stop();
}

void Prober::start() {
  stop();
  for (std::uint32_t index = 0; index < checks_.size(); ++index) {
    checks_[index].first = true;
    // Not begun here: the loop's time may be old before its first turn, and the check's timeout counts from
    // it.
    schedule_.emplace(loop_.now_ms(), index);
  }
  arm();
}

void Prober::update(std::vector<ProbeTarget> targets) {
  std::unordered_map<const balance::ServerState*, std::uint32_t> before;
  for (std::uint32_t index = 0; index < checks_.size(); ++index)
    before.emplace(&server_of(checks_[index].target), index);
  std::vector<std::int64_t> due_ms(checks_.size());
  for (const auto& [time_ms, index] : schedule_)
    due_ms[index] = time_ms;
  std::vector<Check> earlier = std::exchange(checks_, {});
  schedule_.clear();
  for (ProbeTarget& target : targets) {
    const auto index = static_cast<std::uint32_t>(checks_.size());
    const auto known = before.extract(&server_of(target));
    if (!known) {
      checks_.push_back(check_of(std::move(target)));
      schedule_.emplace(loop_.now_ms(), index);
      continue;
    }
    Check& check = checks_.emplace_back(std::move(earlier[known.mapped()]));
    check.target = std::move(target);  // its address is the same, as it is a part of what the state is
    if (check.running != nullptr) {
      check.running->move_to(index);
    } else {
      schedule_.emplace(due_ms[known.mapped()], index);
    }
  }
  for (const auto& [server, index] : before) {
    if (Probe* probe = earlier[index].running) probe->abandon();
  }
  arm();
}

void Prober::stop() {
  timer_.stop();
  schedule_.clear();
  for (Check& check : checks_) {
    if (Probe* probe = std::exchange(check.running, nullptr)) probe->abandon();
  }
}

void Prober::begin(std::uint32_t index) {
  Check& check = checks_[index];
  check.started_ms = loop_.now_ms();
  if (is_disabled(check.target)) return schedule_next(index);
  check.running = &home_->probes.create(*this, index);
  check.running->begin();
}

void Prober::decided(std::uint32_t index, bool passed, const std::string& reason) {
  Check& check = checks_[index];
  check.running = nullptr;
  check.hindrance_told = false;
  const ProbeTarget& target = check.target;
  if (is_disabled(target)) return schedule_next(index);  // meanwhile
  const bool changed = target.state->record_check(target.server, passed, reason);
  schedule_next(index);
  if (!changed) return;
  log_change(target, reason);
  // Last, and from a copy: the observer may destroy this prober.
  const Observer observer = observer_;
  if (observer) observer(target.upstream_index, target.server);
}

void Prober::hindered(std::uint32_t index, const std::string& reason) {
  Check& check = checks_[index];
  check.running = nullptr;
  if (!std::exchange(check.hindrance_told, true)) {
    base::log_warn("upstream {}: server {} cannot be checked: {}", check.target.upstream, label(check.target),
                   reason);
  }
  schedule_next(index);
}

std::int64_t Prober::wait_ms(std::uint32_t index) {
  Check& check = checks_[index];
  const ProbeTarget& target = check.target;
  const bool first = std::exchange(check.first, false);
  // A disabled server is looked after often: one that is enabled again gets its first check soon.
  const bool between =
      target.state->server(target.server).health_tracker().between_states() || is_disabled(target);
  const auto interval_ms =
      static_cast<double>((between ? target.health.fast_interval : target.health.interval).count());
  // All first checks begin at once; the second ones take their places within the interval.
  if (first && !between) {
    return std::llround(interval_ms * static_cast<double>(index + 1) / static_cast<double>(checks_.size()));
  }
  return std::llround(interval_ms * (1.0 + target.health.jitter * (2.0 * random_.unit() - 1.0)));
}

void Prober::schedule_next(std::uint32_t index) {
  const std::int64_t due_ms = checks_[index].started_ms + std::max<std::int64_t>(wait_ms(index), 1);
  schedule_.emplace(due_ms, index);
  if (!timer_.running() || schedule_.begin()->second == index) arm();
}

void Prober::arm() {
  timer_.stop();
  if (schedule_.empty()) return;
  const std::int64_t wait_ms = std::max<std::int64_t>(schedule_.begin()->first - loop_.now_ms(), 0);
  // The queue rounds up by as much as 1/8: asked for 7/8 it is never late, and what is left is waited for in
  // turn.
  loop_.timers().start(timer_, std::chrono::milliseconds(wait_ms * 7 / 8));
}

void Prober::on_due() {
  const std::int64_t now_ms = loop_.now_ms();
  while (!schedule_.empty() && schedule_.begin()->first <= now_ms) {
    const std::uint32_t index = schedule_.begin()->second;
    schedule_.erase(schedule_.begin());
    begin(index);
  }
  arm();
}

}  // namespace azulb::upstream
