// What the API changes of servers, and how it outlives a restart.
#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"
#include "azulb/daemon/process.hpp"

namespace azulb::daemon {

bool Process::set_admin_state(std::uint32_t upstream, std::uint32_t server, balance::AdminState state) {
  balance::UpstreamState& states = *snapshot_->upstream(upstream).state;
  const balance::ServerState& changed = states.server(server);
  const balance::Health before = changed.health();
  if (!states.set_admin_state(server, state)) return false;
  if (changed.health() != before) health_since_ns_[upstream][server] = base::wall_clock_ns();
  base::log_info("upstream {}: server {} is {} from now on, as asked for", states.settings().name,
                 changed.name(), balance::to_string(state));
  server_changes_.note(states.settings().name, changed);
  save_servers();
  server_changed(upstream, server);
  return true;
}

bool Process::set_weight(std::uint32_t upstream, std::uint32_t server, std::uint32_t weight) {
  balance::UpstreamState& states = *snapshot_->upstream(upstream).state;
  if (!states.set_weight(server, weight)) return false;
  base::log_info("upstream {}: server {} has weight {} from now on, as asked for", states.settings().name,
                 states.server(server).name(), weight);
  server_changes_.note(states.settings().name, states.server(server));
  save_servers();
  return true;
}

base::Result<bool> Process::add_server(std::uint32_t upstream, const config::Server& server) {
  if (draining_) return base::failure("azulb is draining, and about to end");
  const std::string& name = snapshot_->config().upstreams[upstream].name;
  auto added = discovery_.add_server(name, server);
  if (!added || !*added) return added;
  base::log_info("upstream {}: server {} is added, as asked for", name, server.name);
  servers_amended();
  return added;
}

base::Result<void> Process::remove_server(std::uint32_t upstream, std::uint32_t server) {
  if (draining_) return base::failure("azulb is draining, and about to end");
  const proxy::UpstreamSnapshot& from = snapshot_->upstream(upstream);
  const std::string& name = from.config->name;
  if (auto removed = discovery_.remove_server(name, from.addresses[server]); !removed) return removed;
  // Workers still go by the snapshot that has it, for a moment.
  from.state->set_admin_state(server, balance::AdminState::draining);
  base::log_info("upstream {}: server {} is removed, as asked for", name, from.state->server(server).name());
  servers_amended();
  return {};
}

void Process::servers_amended() {
  save_servers();
  if (reloads_under_way_.empty()) adopt_servers();  // else its end does
}

std::vector<std::string> Process::removed_servers(const std::string& upstream) const {
  std::vector<std::string> addresses;
  const auto found = discovery_.amendments().find(upstream);
  if (found == discovery_.amendments().end()) return addresses;
  for (const auto& [address, was_listed] : found->second.removed)
    addresses.push_back(address);
  return addresses;
}

/// What the predecessor's API has changed, by now. False: it hands nothing down, or nothing that is
/// understood.
bool Process::take_over_servers(const Handover& handover) {
  if (handover.servers < 0) return false;
  auto text = SharedText::read(handover.servers);
  auto servers = text ? read_servers(*text) : tl::unexpected(text.error());
  if (!servers) {
    base::log_error("what process {} has changed of servers is not understood: {}", handover.predecessor,
                    servers.error().message);
    return false;
  }
  discovery_.set_amendments(std::move(servers->amendments));
  if (snapshot_ == nullptr) {
    server_changes_ = ServerChanges(std::move(servers->changes));
    return true;
  }
  server_changes_.replace(std::move(servers->changes), *snapshot_);
  servers_ = discovery_.lists();
  return true;
}

/// At start. What a predecessor has is newer than the file. A file that cannot be read is an error, as it may
/// come from an oversight that must not cost what it holds; one that makes no sense is kept aside.
base::Result<void> Process::restore_servers(const config::Config& config, const Handover* handover) {
  if (handover != nullptr && take_over_servers(*handover)) return {};
  const std::string path = config.admin ? config.admin->state_file : "";
  if (path.empty()) return {};
  auto text = StateFile::read(path);
  if (!text) {
    return base::failure("admin.state_file: cannot read " + path + ": " + text.error().message +
                         "; make it readable for the user azulb starts as, or move it away");
  }
  if (!*text) return {};
  auto servers = read_servers(**text);
  if (!servers) {
    const auto aside = StateFile::set_aside(path);
    base::log_error(
        "admin.state_file: {} is not what azulb writes: {}. What it says of servers does not hold; it is "
        "kept as {}.bad{}",
        path, servers.error().message, path, aside ? "" : ", which failed: " + aside.error().message);
    return {};
  }
  for (const config::Upstream& upstream : config.upstreams) {
    const auto found = servers->changes.find(upstream.name);
    if (servers->amendments.contains(upstream.name) || found != servers->changes.end())
      base::log_info("upstream {}: servers are as {} has them", upstream.name, path);
  }
  discovery_.set_amendments(std::move(servers->amendments));
  server_changes_ = ServerChanges(std::move(servers->changes));
  return {};
}

std::string Process::servers_text() const {
  return write_servers({.amendments = discovery_.amendments(), .changes = server_changes_.all()});
}

void Process::save_servers() {
  if (!keeps_servers_) return;
  const std::string path = snapshot_->config().admin ? snapshot_->config().admin->state_file : "";
  state_file_.set_path(path);
  if (!path.empty()) state_file_.write(servers_text());
}

}  // namespace azulb::daemon
