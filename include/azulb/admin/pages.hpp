// The pages of the admin interface, each a function of what azulb knows. Main thread only; linear in
// listeners, routes and servers, times workers.
#pragma once

#include <string>

#include "azulb/admin/process_usage.hpp"
#include "azulb/admin/sources.hpp"

namespace azulb::admin {

/// All metrics in Prometheus' text format 0.0.4. Series of a listener and route appear with their first
/// request.
std::string metrics_page(const AdminSources& sources, const ProcessUsage& usage);

/// JSON: process, listeners, upstreams and their servers.
std::string state_page(const AdminSources& sources);

/// An event for the dashboard, as a server-sent event (WHATWG HTML, section 9.2): the state and the totals.
std::string events_page(const AdminSources& sources);

struct Readiness {
  bool ready = true;
  std::string text;  // "ready\n", or a line per reason
};
/// Not ready while draining, or when an upstream has no server that may be chosen.
Readiness readiness(const AdminSources& sources);

}  // namespace azulb::admin
