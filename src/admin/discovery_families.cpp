// What servers come from: names that are resolved, files that are watched.
#include "families.hpp"

namespace azulb::admin {
namespace {

using discovery::SourceStatus;
using prometheus::MetricType;

struct DiscoveryFamily {
  const char* name;
  const char* help;
  MetricType type;
  double (*read)(const AdminSources& sources, const SourceStatus& status);
};

double age_seconds(const AdminSources& sources, const SourceStatus& status) {
  // Without a success yet, the age is that of this process.
  const std::int64_t running_ms = (sources.wall_clock_ns - sources.started_ns) / 1'000'000;
  const std::int64_t last_ms = status.health.last_success_ms;
  return static_cast<double>(last_ms < 0 ? running_ms : sources.monotonic_ms - last_ms) / 1e3;
}

const DiscoveryFamily families_of_sources[] = {
    {"azulb_discovery_servers", "Servers that a name or a file last gave.", MetricType::Gauge,
     [](const AdminSources&, const SourceStatus& status) { return static_cast<double>(status.servers); }},
    {"azulb_discovery_failures_total",
     "Times that a name did not resolve or a file could not be read; the last good answer stays.",
     MetricType::Counter,
     [](const AdminSources&, const SourceStatus& status) {
       return static_cast<double>(status.health.failures);
     }},
    {"azulb_discovery_last_success_age_seconds",
     "Since a name was last resolved or a file last read with success; without any, since the start.",
     MetricType::Gauge, age_seconds},
};

}  // namespace

void append_discovery_families(const AdminSources& sources, Families& families) {
  for (const DiscoveryFamily& source : families_of_sources) {
    Family family(source.name, source.help, source.type);
    for (const UpstreamSource& upstream : sources.upstreams) {
      for (const SourceStatus& status : upstream.discovered) {
        family.add({{"upstream", upstream.state->settings().name}, {"source", status.source}},
                   source.read(sources, status));
      }
    }
    families.push_back(family.take());
  }
}

}  // namespace azulb::admin
