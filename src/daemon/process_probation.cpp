// A reload's configuration on probation, and the way back.
#include <algorithm>

#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/daemon/process.hpp"

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

/// How often traffic is looked at.
base::Milliseconds probation_interval(base::Milliseconds time) {
  return std::clamp<base::Milliseconds>(time / 20, 100ms, 10s);
}

}  // namespace

/// Called with each configuration that takes effect.
void Process::start_probation_timer() {
  const config::Probation& settings = snapshot_->config().process.probation;
  if (settings.time.count() == 0) return probation_timer_.stop();
  loop_.timers().start(probation_timer_, probation_interval(settings.time));
}

/// `former` has just been replaced by a reload that changed something.
void Process::begin_probation(const config::Config& former, const Traffic& before) {
  const config::Probation& settings = snapshot_->config().process.probation;
  if (settings.time.count() == 0 || rolling_back_) {
    probation_.end();
    proven_config_.reset();
    return;
  }
  if (!probation_.running()) proven_config_ = former;
  probation_.begin(settings, loop_.now_ms(), before, Traffic::so_far(workers_.metrics()));
  base::log_info("the new configuration is on probation for {}", base::format_duration(settings.time));
}

void Process::look_at_traffic() {
  const config::Probation& settings = snapshot_->config().process.probation;
  if (!draining_) {
    switch (probation_.observe(settings, loop_.now_ms(), Traffic::so_far(workers_.metrics()))) {
      case Probation::Verdict::none:
        break;
      case Probation::Verdict::passed:
        base::log_info("the configuration has passed its probation");
        proven_config_.reset();
        break;
      case Probation::Verdict::failed:
        roll_back();
        break;
    }
  }
  start_probation_timer();
}

void Process::roll_back() {
  base::log_error(
      "the configuration has failed its probation: {}. The former one is loaded again; {} is as it was: mend "
      "it before the next reload",
      probation_.reason(), snapshot_->config().source);
  last_rollback_ = {.time_ns = base::wall_clock_ns(), .reason = probation_.reason()};
  ++rollbacks_;
  if (admin_ != nullptr) admin_->changed();
  // One that is under way brings another configuration anyway.
  if (!reloads_under_way_.empty()) return;
  rollback_wanted_ = true;
  reload(nullptr);
}

}  // namespace azulb::daemon
