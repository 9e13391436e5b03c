// Builds metric families for prometheus-cpp's text serializer from azulb's own counters.
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "azulb/admin/process_usage.hpp"
#include "azulb/admin/sources.hpp"
#include "azulb/base/counter.hpp"

namespace azulb::admin {

using Labels = std::vector<prometheus::ClientMetric::Label>;

/// The sum of a histogram over all workers.
class HistogramSum {
 public:
  void add(const base::Histogram& histogram);
  void add(const HistogramSum& other);
  std::uint64_t count() const;
  /// By range, not cumulative.
  const std::array<std::uint64_t, base::Histogram::range_count>& counts() const { return counts_; }
  prometheus::ClientMetric::Histogram cumulative() const;

 private:
  std::array<std::uint64_t, base::Histogram::range_count> counts_{};
  std::uint64_t sum_ns_ = 0;
};

/// One family while it is filled.
class Family {
 public:
  Family(std::string name, std::string help, prometheus::MetricType type);

  void add(Labels labels, std::uint64_t value) { add(std::move(labels), static_cast<double>(value)); }
  void add(Labels labels, double value);
  void add(Labels labels, const HistogramSum& histogram);

  prometheus::MetricFamily take() { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

/// What `read` finds in each worker's metrics, added up.
template <typename Read>
std::uint64_t sum_over_workers(const AdminSources& sources, Read read) {
  std::uint64_t sum = 0;
  for (const proxy::WorkerMetrics* worker : sources.workers)
    sum += read(*worker);
  return sum;
}

template <typename Read>
HistogramSum histogram_over_workers(const AdminSources& sources, Read read) {
  HistogramSum sum;
  for (const proxy::WorkerMetrics* worker : sources.workers)
    sum.add(read(*worker));
  return sum;
}

using Families = std::vector<prometheus::MetricFamily>;

void append_http_families(const AdminSources& sources, Families& families);
void append_server_families(const AdminSources& sources, Families& families);
void append_discovery_families(const AdminSources& sources, Families& families);
void append_process_families(const AdminSources& sources, const ProcessUsage& usage, Families& families);

}  // namespace azulb::admin
