#include <prometheus/text_serializer.h>

#include <sstream>

#include "azulb/admin/pages.hpp"
#include "azulb/base/assert.hpp"
#include "families.hpp"

namespace azulb::admin {
namespace {

void append_single(Families& families, const char* name, const char* help, prometheus::MetricType type,
                   double value, Labels labels = {}) {
  Family family(name, help, type);
  family.add(std::move(labels), value);
  families.push_back(family.take());
}

}  // namespace

void append_process_families(const AdminSources& sources, const ProcessUsage& usage, Families& families) {
  using prometheus::MetricType;
  const auto memory = static_cast<double>(usage.resident_memory_bytes);
  const std::uint64_t dropped = sources.access_log == nullptr ? 0 : sources.access_log->dropped_lines();
  const std::uint64_t lost = sources.access_log == nullptr ? 0 : sources.access_log->lost_lines();
  append_single(families, "azulb_build_info", "Always 1; the label says which azulb this is.",
                MetricType::Gauge, 1, {{"version", sources.version}});
  append_single(families, "azulb_workers", "Threads that serve traffic.", MetricType::Gauge,
                static_cast<double>(sources.workers.size()));
  append_single(families, "azulb_draining", "1: azulb takes no new work and is about to end.",
                MetricType::Gauge, sources.draining ? 1 : 0);
  append_single(families, "azulb_rollbacks_total",
                "Configurations that failed their probation, so that the former one was loaded again.",
                MetricType::Counter, static_cast<double>(sources.rollbacks));
  append_single(families, "azulb_access_log_dropped_total",
                "Access log lines dropped because the output was too slow.", MetricType::Counter,
                static_cast<double>(dropped));
  append_single(families, "azulb_access_log_lost_total",
                "Access log lines that the output refused (disk full, reader gone).", MetricType::Counter,
                static_cast<double>(lost));
  append_single(families, "azulb_process_resident_memory_bytes", "Resident memory.", MetricType::Gauge,
                memory);
  append_single(families, "azulb_process_cpu_seconds_total", "CPU time of all threads, user and system.",
                MetricType::Counter, static_cast<double>(usage.cpu_microseconds) / 1e6);
  append_single(families, "azulb_process_open_fds", "Open file descriptors, of main and of the workers.",
                MetricType::Gauge, static_cast<double>(usage.open_fds));
  append_single(families, "azulb_process_max_fds", "The most file descriptors this process may open.",
                MetricType::Gauge, static_cast<double>(usage.max_fds));
  append_single(families, "azulb_process_start_time_seconds", "When azulb started, in seconds since 1970.",
                MetricType::Gauge, static_cast<double>(sources.started_ns) / 1e9);
  append_single(families, "memory_usage_bytes", "As azulb_process_resident_memory_bytes.", MetricType::Gauge,
                memory);
}

std::string metrics_page(const AdminSources& sources, const ProcessUsage& usage) {
  AZULB_ASSERT(sources.upstreams.size() == sources.labels->upstreams.size());
  Families families;
  append_http_families(sources, families);
  append_server_families(sources, families);
  append_discovery_families(sources, families);
  append_process_families(sources, usage, families);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

}  // namespace azulb::admin
