// The state that one configuration compiles to, immutable but for what its parts count. Shared by main and
// all workers; a reload makes the next one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "azulb/balance/upstream_state.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/route_rules.hpp"
#include "azulb/proxy/router.hpp"
#include "azulb/proxy/upstream_snapshot.hpp"
#include "azulb/tls/server_context.hpp"

namespace azulb::proxy {

/// Where a server stands in a snapshot.
struct ServerPlace {
  std::uint32_t upstream;
  std::uint32_t server;
};

class Snapshot {
 public:
  /// All at once, for the first one. The error names the file, and the remedy.
  static base::Result<std::shared_ptr<Snapshot>> build(config::Config config,
                                                       const discovery::ServerLists& servers);
  /// What may fail and take time (files): blocking, any thread. TLS contexts whose files have not changed are
  /// `earlier`'s, which may be null. An upstream that has no list has no servers. `link` must follow.
  static base::Result<std::shared_ptr<Snapshot>> prepare(config::Config config,
                                                         const discovery::ServerLists& servers,
                                                         const Snapshot* earlier);
  /// This one with other servers, and not a file read anew. `link` must follow.
  std::shared_ptr<Snapshot> with_servers(const discovery::ServerLists& servers) const;
  /// Main, once: makes the running state, taking over what goes on of `earlier`, the snapshot that this one
  /// replaces now. From here on the weights are the new ones.
  void link(const Snapshot* earlier);

  /// Counts a process' snapshots.
  std::uint64_t number() const { return number_; }
  const config::Config& config() const { return config_; }
  const Router& router() const { return router_; }
  /// Of a listener; null: plain text.
  const std::shared_ptr<tls::ServerContext>& listener_tls(std::size_t index) const {
    return listener_tls_[index];
  }
  std::shared_ptr<tls::ServerContext> listener_tls(const std::string& name) const;
  /// Main only, at start and from time to time: ServerContext::refresh_stapled_responses, of all listeners.
  std::vector<tls::Notice> refresh_stapled_responses(std::int64_t now_s);
  std::size_t upstream_count() const { return upstreams_.size(); }
  UpstreamSnapshot& upstream(std::size_t index) const { return *upstreams_[index]; }
  /// Null: there is none of that name.
  UpstreamSnapshot* find_upstream(const std::string& name) const;
  /// Nothing: it is no server of this snapshot.
  std::optional<ServerPlace> find_server(const balance::ServerState& server) const;
  static constexpr std::uint32_t no_upstream = UINT32_MAX;
  /// Of a route, by its place in the configuration.
  const RouteRules& route(std::uint32_t route) const { return routes_[route]; }
  /// The names of what is counted, with the servers as they were resolved.
  MetricLabels metric_labels() const;

 private:
  explicit Snapshot(config::Config config) : config_(std::move(config)), router_(config_) {}
  base::Result<void> build_listener_tls(const config::Listener& listener, const Snapshot* earlier);
  void compile_routes();

  const config::Config config_;
  const Router router_;
  std::uint64_t number_ = 1;
  std::vector<std::shared_ptr<tls::ServerContext>> listener_tls_;
  std::vector<std::unique_ptr<UpstreamSnapshot>> upstreams_;
  std::unordered_map<std::string, std::uint32_t> upstream_indices_;  // by name
  std::vector<RouteRules> routes_;
  std::unordered_map<const balance::ServerState*, ServerPlace> places_;
};

}  // namespace azulb::proxy
