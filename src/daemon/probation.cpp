#include "azulb/daemon/probation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace azulb::daemon {
namespace {

// Times that are longer by less than this are not worth a configuration, however short they were.
constexpr double least_delay_ms = 10;

void add_route(const proxy::RouteMetrics& route, bool is_no_route, Traffic& traffic) {
  for (std::size_t range = 0; range < traffic.requests.size(); ++range)
    traffic.requests[range] += route.duration.count(range);
  if (!route.requests.used()) return;
  for (int status = 500; status <= 599; ++status)
    traffic.failed += route.requests.value(status);
  if (is_no_route) traffic.failed += route.requests.value(404);
}

std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

}  // namespace

Traffic Traffic::so_far(const std::vector<const proxy::WorkerMetrics*>& workers) {
  Traffic traffic;
  for (const proxy::WorkerMetrics* worker : workers) {
    for (std::size_t listener = 0; listener < worker->listener_count(); ++listener) {
      for (std::size_t route = 0; route <= worker->no_route(); ++route)
        add_route(worker->route(listener, route), route == worker->no_route(), traffic);
    }
  }
  return traffic;
}

Traffic Traffic::since(const Traffic& earlier) const {
  Traffic span;
  for (std::size_t range = 0; range < requests.size(); ++range)
    span.requests[range] = grown(requests[range], earlier.requests[range]);
  span.failed = grown(failed, earlier.failed);
  return span;
}

std::uint64_t Traffic::total() const {
  return std::accumulate(requests.begin(), requests.end(), std::uint64_t{0});
}

double Traffic::failed_share() const {
  const std::uint64_t all = total();
  return all == 0 ? 0 : std::min(1.0, static_cast<double>(failed) / static_cast<double>(all));
}

double Traffic::ninth_tenth_ms() const {
  const auto& bounds = base::Histogram::bounds_ns;
  double left = static_cast<double>(total()) * 0.9;
  for (std::size_t range = 0; range < bounds.size(); ++range) {
    const auto count = static_cast<double>(requests[range]);
    if (count > 0 && left <= count) {
      const auto from = static_cast<double>(range == 0 ? 0 : bounds[range - 1]);
      return (from + (static_cast<double>(bounds[range]) - from) * left / count) / 1e6;
    }
    left -= count;
  }
  return static_cast<double>(bounds.back()) / 1e6;
}

Probation::Verdict Probation::observe(const config::Probation& settings, std::int64_t now_ms,
                                      const Traffic& so_far) {
  if (!on_trial_) {
    history_.push_back({now_ms, so_far});
    while (history_.size() > 1 && history_[1].time_ms <= now_ms - settings.time.count())
      history_.pop_front();
    return Verdict::none;
  }
  const Traffic now = so_far.since(on_trial_->begun.so_far);
  if (auto fault = fault_of(*on_trial_, now)) {
    reason_ = std::move(*fault);
    end();
    return Verdict::failed;
  }
  if (now_ms - on_trial_->begun.time_ms < on_trial_->settings.time.count()) return Verdict::none;
  end();
  return Verdict::passed;
}

std::optional<std::string> Probation::fault_of(const Trial& trial, const Traffic& now) const {
  const std::uint64_t least = trial.settings.requests;
  if (now.total() < least) return std::nullopt;
  const double normal = trial.normal.failed_share();
  if (now.failed_share() > normal + trial.settings.errors) {
    return fmt::format("{:.1f} % of {} requests failed, before {:.1f} %", now.failed_share() * 100,
                       now.total(), normal * 100);
  }
  if (trial.settings.latency == 0 || trial.normal.total() < least) return std::nullopt;
  const double before_ms = trial.normal.ninth_tenth_ms();
  const double now_ms = now.ninth_tenth_ms();
  if (now_ms <= before_ms * trial.settings.latency || now_ms < before_ms + least_delay_ms)
    return std::nullopt;
  return fmt::format("of {} requests one in ten takes longer than {:.0f} ms, before {:.0f} ms", now.total(),
                     now_ms, before_ms);
}

void Probation::begin(const config::Probation& settings, std::int64_t now_ms, const Traffic& before,
                      const Traffic& after) {
  Traffic normal = before;
  if (on_trial_) {
    normal = on_trial_->normal;
  } else if (!history_.empty()) {
    normal = before.since(history_.front().so_far);
  }
  history_.clear();
  on_trial_ = Trial{.settings = settings, .normal = normal, .begun = {now_ms, after}};
}

void Probation::end() {
  on_trial_.reset();
  history_.clear();
}

}  // namespace azulb::daemon
