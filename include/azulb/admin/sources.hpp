// What the admin pages are made of. Main fills it in and owns everything it points to; pages only read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "azulb/balance/upstream_state.hpp"
#include "azulb/base/line_sink.hpp"
#include "azulb/config/config.hpp"
#include "azulb/discovery/upstream_servers.hpp"
#include "azulb/proxy/metrics.hpp"
#include "azulb/proxy/snapshot.hpp"

namespace azulb::admin {

struct UpstreamSource {
  std::shared_ptr<const balance::UpstreamState> state;
  /// Per server: wall clock nanoseconds of its last change of health, or of the start.
  std::vector<std::int64_t> health_since_ns;
  std::vector<std::string> server_sources = {};          // per server: discovery::FoundServer::source
  std::vector<discovery::SourceStatus> discovered = {};  // what is asked or watched for servers
  std::vector<std::string> removed = {};  // addresses of servers that sources list and that are not to serve
};

/// The last return to a former configuration.
struct Rollback {
  std::int64_t time_ns = 0;  // wall clock; 0: there was none
  std::string reason = {};
};

struct AdminSources {
  std::string version;
  const config::Config* config = nullptr;       // never null when a page is made
  const proxy::Snapshot* snapshot = nullptr;    // never null when a request is to be explained
  const proxy::MetricLabels* labels = nullptr;  // never null when a page is made
  std::vector<const proxy::WorkerMetrics*> workers;
  std::vector<UpstreamSource> upstreams;       // in the order of `labels`, with the same servers
  const base::LineSink* access_log = nullptr;  // null: none
  std::string token;                           // bearer token for everything but GET and HEAD; empty: none
  std::vector<int> descriptor_table_threads;   // with a table apart from main's, by the kernel's number
  std::int64_t started_ns = 0;                 // wall clock
  bool draining = false;
  bool on_probation = false;  // the configuration
  Rollback last_rollback = {};
  std::uint64_t rollbacks = 0;

  // The moment the page is for:
  std::int64_t wall_clock_ns = 0;
  std::int64_t monotonic_ms = 0;  // the clock of ServerState::ejected_until_ms()
};

}  // namespace azulb::admin
