#include "azulb/daemon/reload.hpp"

#include <algorithm>
#include <utility>

#include "in_context.hpp"

namespace azulb::daemon {
namespace {

using config::Change;

void compare_servers(const proxy::UpstreamSnapshot* before, const proxy::UpstreamSnapshot& after,
                     std::vector<Change>& changes) {
  std::vector<bool> remains(before != nullptr ? before->servers.size() : 0);
  for (std::size_t index = 0; index < after.servers.size(); ++index) {
    Change change{.kind = Change::Kind::added,
                  .what = "server",
                  .name = after.config->name + '/' + after.servers[index].name,
                  .keys = {}};
    const auto place = after.earlier_servers[index];
    if (place) {
      remains[*place] = true;
      if (before->servers[*place].weight == after.servers[index].weight) continue;
      change.kind = Change::Kind::changed;
      change.keys = {"weight"};
    }
    changes.push_back(std::move(change));
  }
  for (std::size_t index = 0; index < remains.size(); ++index) {
    if (remains[index]) continue;
    changes.push_back({.kind = Change::Kind::removed,
                       .what = "server",
                       .name = before->config->name + '/' + before->servers[index].name,
                       .keys = {}});
  }
}

/// Other contents of the same files.
void compare_certificates(const proxy::Snapshot& before, const proxy::Snapshot& after,
                          std::vector<Change>& changes) {
  for (const config::Listener& listener : after.config().listeners) {
    const auto earlier = std::find_if(before.config().listeners.begin(), before.config().listeners.end(),
                                      [&](const auto& each) { return each.name == listener.name; });
    if (earlier == before.config().listeners.end() || !listener.tls || earlier->tls != listener.tls ||
        earlier->http2 != listener.http2)
      continue;
    if (before.listener_tls(listener.name) == after.listener_tls(listener.name)) continue;
    changes.push_back(
        {.kind = Change::Kind::changed, .what = "listener", .name = listener.name, .keys = {"certificates"}});
  }
  for (const config::Upstream& upstream : after.config().upstreams) {
    const proxy::UpstreamSnapshot* const earlier = before.find_upstream(upstream.name);
    if (earlier == nullptr || !upstream.tls || earlier->config->tls != upstream.tls) continue;
    if (earlier->tls == after.find_upstream(upstream.name)->tls) continue;
    changes.push_back(
        {.kind = Change::Kind::changed, .what = "upstream", .name = upstream.name, .keys = {"certificates"}});
  }
}

}  // namespace

base::Result<Preparation> prepare(config::Config config, discovery::ServerLists servers,
                                  const proxy::Snapshot* earlier) {
  Preparation prepared;
  auto addresses = resolve_listeners(config);
  if (!addresses) return tl::unexpected(addresses.error());
  prepared.listener_addresses = std::move(*addresses);
  if (config.admin) {
    auto resolved = base::resolve(config.admin->address, true);
    if (!resolved) return tl::unexpected(in_context("admin", resolved.error()));
    prepared.admin_addresses = std::move(*resolved);
  }
  auto format = proxy::AccessLogFormat::compile(config.access_log.format);
  if (!format) return tl::unexpected(in_context("access_log.format", format.error()));
  prepared.access_log_format = std::move(*format);
  auto snapshot = proxy::Snapshot::prepare(std::move(config), servers, earlier);
  if (!snapshot) return tl::unexpected<base::Error>(snapshot.error());
  prepared.snapshot = std::move(*snapshot);
  prepared.servers = std::move(servers);
  return prepared;
}

ReloadReport compare(const proxy::Snapshot& before, const proxy::Snapshot& after) {
  ReloadReport report{.changes = config::differences(before.config(), after.config())};
  compare_certificates(before, after, report.changes);
  for (std::size_t index = 0; index < after.upstream_count(); ++index) {
    const proxy::UpstreamSnapshot& upstream = after.upstream(index);
    if (const proxy::UpstreamSnapshot* const earlier = before.find_upstream(upstream.config->name))
      compare_servers(earlier, upstream, report.changes);
  }
  return report;
}

}  // namespace azulb::daemon
