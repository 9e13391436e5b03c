// The state that one configuration compiles to, immutable but for what its parts count. Shared by main and
// all workers, which keep it for as long as they run: there is no reload yet.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "azulb/balance/upstream_state.hpp"
#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/router.hpp"
#include "azulb/tls/client_context.hpp"
#include "azulb/tls/server_context.hpp"

namespace azulb::proxy {

/// What a request's Host says to the server: config::Upstream::host_header, read once.
enum class HostHeader : std::uint8_t { preserve, server, literal };

/// One upstream: its configuration, its servers' addresses (in the order of the state's servers) and running
/// state.
struct UpstreamSnapshot {
  const config::Upstream* config = nullptr;
  std::uint32_t index = 0;
  HostHeader host_header = HostHeader::preserve;
  std::vector<base::SocketAddress> addresses;
  std::shared_ptr<tls::ClientContext> tls;  // null: plain text
  std::vector<std::string> tls_names;       // what each server must prove to be; empty without TLS
  std::shared_ptr<balance::UpstreamState> state;
  /// Requests of all workers that wait for a server; bounded by config->queue. Any thread.
  std::atomic<std::uint64_t> waiting{0};
};

class Snapshot {
 public:
  /// Resolves the servers' names and reads certificates (blocking: main, at start). A name with several
  /// addresses stands for as many servers. The error names the server or the file, and the remedy.
  static base::Result<std::shared_ptr<Snapshot>> build(config::Config config);

  const config::Config& config() const { return config_; }
  const Router& router() const { return router_; }
  /// Of a listener; null: plain text.
  const tls::ServerContext* listener_tls(std::size_t index) const { return listener_tls_[index].get(); }
  /// Main only, at start and from time to time: ServerContext::refresh_stapled_responses, of all listeners.
  std::vector<tls::Notice> refresh_stapled_responses(std::int64_t now_s);
  std::size_t upstream_count() const { return upstreams_.size(); }
  UpstreamSnapshot& upstream(std::size_t index) const { return *upstreams_[index]; }
  /// Of a route that leads to an upstream; else `no_upstream`.
  static constexpr std::uint32_t no_upstream = UINT32_MAX;
  std::uint32_t upstream_of_route(std::uint32_t route) const { return route_upstreams_[route]; }
  /// The names of what is counted, with the servers as they were resolved.
  MetricLabels metric_labels() const;

 private:
  explicit Snapshot(config::Config config) : config_(std::move(config)), router_(config_) {}
  base::Result<void> build_listener_tls(const config::Listener& listener);
  base::Result<void> build_upstream(const config::Upstream& upstream);

  const config::Config config_;
  const Router router_;
  std::vector<std::shared_ptr<tls::ServerContext>> listener_tls_;
  std::vector<std::unique_ptr<UpstreamSnapshot>> upstreams_;
  std::vector<std::uint32_t> route_upstreams_;
};

}  // namespace azulb::proxy
