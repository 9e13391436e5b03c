// What a worker counts. One WorkerMetrics per worker, written by that worker only, with plain stores; main
// reads all of them and adds up. Series are addressed by index: listener, route, upstream and server in the
// order of MetricLabels.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/counter.hpp"
#include "azulb/http/flood.hpp"

namespace azulb::config {
struct Config;
}

namespace azulb::proxy {

/// How many series of each sort there are.
struct MetricsShape {
  std::size_t listeners = 0;
  std::size_t routes = 0;            // without the one for requests that have no route
  std::vector<std::size_t> servers;  // one entry per upstream
};

/// The names that go with the indices.
struct MetricLabels {
  struct Route {
    std::string name;
    std::string upstream;  // empty: answered by azulb
    bool operator==(const Route&) const = default;
  };
  struct Upstream {
    std::string name;
    std::vector<std::string> servers;
    bool operator==(const Upstream&) const = default;
  };

  std::vector<std::string> listeners;
  std::vector<Route> routes;  // a route that is split has one series for each of its upstreams, in a row
  std::vector<Upstream> upstreams;

  MetricsShape shape() const;
  bool operator==(const MetricLabels&) const = default;
  /// In the configuration's order. Without any [[route]], one route "default" to the only upstream.
  static MetricLabels from(const config::Config& config);
};

/// Answered requests by status code. The table of all codes is allocated at the first request, so that routes
/// never used cost nothing; after that nothing is allocated. One writing thread.
class StatusCounters {
 public:
  static constexpr int first_status = 100;
  static constexpr int status_count = 500;

  StatusCounters() = default;
  ~StatusCounters();
  StatusCounters(const StatusCounters&) = delete;
  StatusCounters& operator=(const StatusCounters&) = delete;

  /// Outside 100..599: counted under 0 (nothing was answered).
  void add(int status) {
    Table* table = table_.load(std::memory_order_relaxed);
    if (table == nullptr) table = make_table();
    const auto slot = static_cast<unsigned>(status - first_status);
    (*table)[slot < status_count ? slot : status_count].add();
  }
  /// Any thread. `status` 100..599, or 0.
  std::uint64_t value(int status) const;
  /// False as long as nothing was counted. Any thread.
  bool used() const { return table_.load(std::memory_order_relaxed) != nullptr; }

 private:
  using Table = std::array<base::Counter, status_count + 1>;
  Table* make_table();

  std::atomic<Table*> table_{nullptr};
};

// Each series stands alone in memory: no other worker shares its cache lines, and it may outlive the table
// that it was made for.

/// Per (listener, route).
struct alignas(64) RouteMetrics {
  StatusCounters requests;   // at the end of an exchange
  base::Histogram duration;  // first byte of the request to the last of the response; not of tunnels
  base::Gauge in_flight;     // exchanges, tunnels included
};

/// Per listener.
struct alignas(64) ListenerMetrics {
  base::Counter connections_accepted;
  base::Counter connections_refused;    // closed at once because of a limit
  base::Counter proxy_headers_refused;  // connections without a valid PROXY header, or from the wrong peer
  base::Gauge connections_active;
  base::Counter requests;        // heads received, malformed ones included
  base::Counter bytes_received;  // from clients
  base::Counter bytes_sent;      // to clients
  base::Counter tls_handshakes;  // completed, those that resumed a session included
  base::Counter tls_resumptions;
  base::Counter tls_failures;
  http::FloodCounters floods;  // connections cut off, by what there was too much of
};

enum class ServerError : std::uint8_t { connect, tls, timeout, reset, invalid_header, http_5xx };
inline constexpr std::array<std::string_view, 6> server_error_names = {
    "connect", "tls", "timeout", "reset", "invalid_header", "http_5xx"};

/// Per (upstream, server).
struct alignas(64) ServerMetrics {
  base::Counter requests;  // attempts begun at this server
  std::array<base::Counter, server_error_names.size()> errors;
  base::Counter retries;       // attempts at this server that were not their exchange's first
  http::FloodCounters floods;  // connections cut off, by what there was too much of
  base::Counter ejections;
  base::Histogram connect_time;   // connect() to writable
  base::Histogram response_time;  // request sent to response head
  base::Counter connections_opened;
  base::Counter connections_reused;
  base::Gauge connections_idle;  // in the pool
  base::Gauge tunnels_active;

  void add_error(ServerError error) { errors[static_cast<std::size_t>(error)].add(); }
};

/// The series of one worker under one snapshot. The tables of the next one hold the same series under the
/// same names, so what is counted under either snapshot is counted in one place.
class WorkerMetrics {
 public:
  /// All series begin at zero.
  explicit WorkerMetrics(const MetricsShape& shape);
  /// Series that `earlier` has under the same names go on, others begin at zero. Main.
  WorkerMetrics(const MetricLabels& labels, const WorkerMetrics& earlier, const MetricLabels& earlier_labels);

  std::size_t listener_count() const { return listeners_.size(); }
  std::size_t route_count() const { return route_count_; }
  /// The route index for requests without a route (no match, malformed).
  std::size_t no_route() const { return route_count_; }
  std::size_t upstream_count() const { return server_offsets_.size() - 1; }
  std::size_t server_count(std::size_t upstream) const {
    return server_offsets_[upstream + 1] - server_offsets_[upstream];
  }

  ListenerMetrics& listener(std::size_t listener) { return *listeners_[listener]; }
  const ListenerMetrics& listener(std::size_t listener) const { return *listeners_[listener]; }

  /// `route` < route_count(), or no_route().
  RouteMetrics& route(std::size_t listener, std::size_t route) { return *routes_[place(listener, route)]; }
  const RouteMetrics& route(std::size_t listener, std::size_t route) const {
    return *routes_[place(listener, route)];
  }

  ServerMetrics& server(std::size_t upstream, std::size_t server) {
    return *servers_[server_offsets_[upstream] + server];
  }
  const ServerMetrics& server(std::size_t upstream, std::size_t server) const {
    return *servers_[server_offsets_[upstream] + server];
  }

 private:
  struct Gaps {};
  WorkerMetrics(const MetricsShape& shape, Gaps);
  void take_over_routes(const MetricLabels& labels, const WorkerMetrics& earlier,
                        const MetricLabels& earlier_labels);
  void take_over_servers(const MetricLabels& labels, const WorkerMetrics& earlier,
                         const MetricLabels& earlier_labels);
  void fill_gaps();
  std::size_t place(std::size_t listener, std::size_t route) const {
    return listener * (route_count_ + 1) + route;
  }

  std::size_t route_count_;
  std::vector<std::size_t> server_offsets_;  // of each upstream's first server, and the total
  std::vector<std::shared_ptr<ListenerMetrics>> listeners_;
  std::vector<std::shared_ptr<RouteMetrics>> routes_;
  std::vector<std::shared_ptr<ServerMetrics>> servers_;
};

}  // namespace azulb::proxy
