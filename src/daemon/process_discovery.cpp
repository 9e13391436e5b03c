// How servers that are found, while azulb starts and while it runs, take effect.
#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/daemon/name_resolution.hpp"
#include "azulb/daemon/process.hpp"

namespace azulb::daemon {

/// False if a signal wanted the process to end.
bool Process::resolve_at_start(const config::Config& config) {
  discovery_.configure(config.upstreams);
  settle(loop_, discovery_, [this] { return interrupted_; });
  return !interrupted_;
}

void Process::discovered() {
  if (snapshot_ == nullptr) return;  // `resolve_at_start` waits for it
  if (reload_config_) return reload_resolved();
  // A reload under way looks itself when it ends.
  if (reloads_under_way_.empty()) adopt_servers();
}

/// The servers as they are known now, if they are others than those that serve: a snapshot with the same
/// configuration, which the workers come to as by a reload.
void Process::adopt_servers() {
  discovery::ServerLists servers = discovery_.lists();
  if (draining_ || !discovery_.settled() || servers == servers_) return;
  servers_ = std::move(servers);
  const auto format = proxy::AccessLogFormat::compile(snapshot_->config().access_log.format);
  adopt(snapshot_->with_servers(servers_), *format);
}

}  // namespace azulb::daemon
