// Families by listener and route, and the names that dashboards of Azu's users know.
#include <map>

#include "families.hpp"

namespace azulb::admin {
namespace {

using prometheus::MetricType;
using proxy::StatusCounters;
using proxy::WorkerMetrics;

void append_listener_families(const AdminSources& sources, Families& families) {
  struct Entry {
    const char* name;
    const char* help;
    MetricType type;
    std::uint64_t (*read)(const proxy::ListenerMetrics& listener);
  };
  static constexpr Entry entries[] = {
      {"azulb_connections_accepted_total", "Client connections accepted.", MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.connections_accepted.value(); }},
      {"azulb_connections_refused_total", "Client connections closed at once because of a limit.",
       MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.connections_refused.value(); }},
      {"azulb_proxy_headers_refused_total",
       "Connections closed for a malformed or missing PROXY header, or as their peer may not send one.",
       MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.proxy_headers_refused.value(); }},
      {"azulb_connections_active", "Client connections open now.", MetricType::Gauge,
       [](const proxy::ListenerMetrics& listener) { return listener.connections_active.value(); }},
      {"azulb_listener_requests_total", "Requests that began, malformed ones included.", MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.requests.value(); }},
      {"azulb_bytes_received_total", "Bytes received from clients.", MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.bytes_received.value(); }},
      {"azulb_bytes_sent_total", "Bytes sent to clients.", MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.bytes_sent.value(); }},
      {"azulb_tls_handshakes_total", "TLS handshakes of clients completed, resumed sessions included.",
       MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.tls_handshakes.value(); }},
      {"azulb_tls_resumptions_total", "TLS handshakes of clients that resumed an earlier session.",
       MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.tls_resumptions.value(); }},
      {"azulb_tls_failures_total", "TLS handshakes of clients that failed or did not end in time.",
       MetricType::Counter,
       [](const proxy::ListenerMetrics& listener) { return listener.tls_failures.value(); }},
  };
  for (const Entry& entry : entries) {
    Family family(entry.name, entry.help, entry.type);
    for (std::size_t index = 0; index < sources.labels->listeners.size(); ++index) {
      family.add({{"listener", sources.labels->listeners[index]}},
                 sum_over_workers(sources, [&](const WorkerMetrics& worker) {
                   return entry.read(worker.listener(index));
                 }));
    }
    families.push_back(family.take());
  }
}

void append_flood_family(const AdminSources& sources, Families& families) {
  Family family("azulb_client_floods_total",
                "What clients sent too much of, by kind; each ended a connection, or with stall a stream.",
                MetricType::Counter);
  for (std::size_t index = 0; index < sources.labels->listeners.size(); ++index) {
    for (std::size_t kind = 0; kind < http::flood_count; ++kind) {
      family.add(
          {{"listener", sources.labels->listeners[index]}, {"kind", std::string(http::flood_names[kind])}},
          sum_over_workers(sources, [&](const WorkerMetrics& worker) {
            return worker.listener(index).floods[kind].value();
          }));
    }
  }
  families.push_back(family.take());
}

Labels route_labels(const proxy::MetricLabels& labels, std::size_t listener, std::size_t route) {
  const bool routed = route < labels.routes.size();
  return {{"listener", labels.listeners[listener]},
          {"route", routed ? labels.routes[route].name : ""},
          {"upstream", routed ? labels.routes[route].upstream : ""}};
}

/// Requests of one (listener, route) by status code, those that occurred.
std::map<int, std::uint64_t> requests_by_code(const AdminSources& sources, std::size_t listener,
                                              std::size_t route) {
  std::map<int, std::uint64_t> requests;
  for (const WorkerMetrics* worker : sources.workers) {
    const StatusCounters& counters = worker->route(listener, route).requests;
    if (!counters.used()) continue;
    if (const auto unanswered = counters.value(0); unanswered > 0) requests[0] += unanswered;
    for (int status = StatusCounters::first_status;
         status < StatusCounters::first_status + StatusCounters::status_count; ++status) {
      if (const auto count = counters.value(status); count > 0) requests[status] += count;
    }
  }
  return requests;
}

}  // namespace

void append_http_families(const AdminSources& sources, Families& families) {
  append_listener_families(sources, families);
  append_flood_family(sources, families);

  Family requests(
      "azulb_http_requests_total",
      "Requests finished, by the status the client got; 499: it left first, 0: nothing was answered.",
      MetricType::Counter);
  Family duration("azulb_http_request_duration_seconds",
                  "From the first byte of a request to the last of its response, tunnels left out.",
                  MetricType::Histogram);
  Family in_flight("azulb_http_requests_in_flight", "Requests under way, tunnels included.",
                   MetricType::Gauge);
  std::map<int, std::uint64_t> all_requests;
  HistogramSum all_durations;
  for (std::size_t listener = 0; listener < sources.labels->listeners.size(); ++listener) {
    for (std::size_t route = 0; route <= sources.labels->routes.size(); ++route) {
      const auto by_code = requests_by_code(sources, listener, route);
      const std::uint64_t running = sum_over_workers(sources, [&](const WorkerMetrics& worker) {
        return worker.route(listener, route).in_flight.value();
      });
      if (by_code.empty() && running == 0) continue;  // most routes are for one listener only
      const Labels labels = route_labels(*sources.labels, listener, route);
      for (const auto& [code, count] : by_code) {
        Labels with_code = labels;
        with_code.push_back({"code", std::to_string(code)});
        requests.add(std::move(with_code), count);
        all_requests[code] += count;
      }
      const HistogramSum durations =
          histogram_over_workers(sources, [&](const WorkerMetrics& worker) -> const base::Histogram& {
            return worker.route(listener, route).duration;
          });
      duration.add(labels, durations);
      all_durations.add(durations);
      in_flight.add(labels, running);
    }
  }
  families.push_back(requests.take());
  families.push_back(duration.take());
  families.push_back(in_flight.take());

  Family azu_requests("http_requests_total", "As azulb_http_requests_total, by code only.",
                      MetricType::Counter);
  for (const auto& [code, count] : all_requests)
    azu_requests.add({{"code", std::to_string(code)}}, count);
  families.push_back(azu_requests.take());
  Family azu_duration("http_request_duration_seconds",
                      "As azulb_http_request_duration_seconds, of all requests.", MetricType::Histogram);
  azu_duration.add({}, all_durations);
  families.push_back(azu_duration.take());
}

}  // namespace azulb::admin
