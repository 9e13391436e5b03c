// What the dashboard draws: the state, and the sums it makes rates and percentiles of.
#include "api.hpp"
#include "azulb/admin/pages.hpp"
#include "families.hpp"
#include "state.hpp"

namespace azulb::admin {
namespace {

constexpr int first_server_error = 500;

Json totals(const AdminSources& sources) {
  std::uint64_t requests = 0;
  std::uint64_t server_errors = 0;
  HistogramSum durations;
  for (const proxy::WorkerMetrics* worker : sources.workers) {
    for (std::size_t listener = 0; listener < sources.labels->listeners.size(); ++listener) {
      requests += worker->listener(listener).requests.value();
      for (std::size_t route = 0; route <= sources.labels->routes.size(); ++route) {
        const proxy::RouteMetrics& metrics = worker->route(listener, route);
        durations.add(metrics.duration);
        if (!metrics.requests.used()) continue;
        for (int status = first_server_error;
             status < proxy::StatusCounters::first_status + proxy::StatusCounters::status_count; ++status)
          server_errors += metrics.requests.value(status);
      }
    }
  }
  return {{"requests", requests},
          {"server_errors", server_errors},
          {"duration", durations.counts()},
          {"duration_bounds_ns", base::Histogram::bounds_ns}};
}

}  // namespace

std::string events_page(const AdminSources& sources) {
  const Json event = {
      {"time_ms", sources.monotonic_ms}, {"totals", totals(sources)}, {"state", state_json(sources)}};
  // One line, as an event's data ends with one.
  return "data: " + event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

}  // namespace azulb::admin
