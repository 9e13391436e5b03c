#include "families.hpp"

#include <limits>

namespace azulb::admin {

void HistogramSum::add(const base::Histogram& histogram) {
  for (std::size_t range = 0; range < counts_.size(); ++range)
    counts_[range] += histogram.count(range);
  sum_ns_ += histogram.sum_ns();
}

void HistogramSum::add(const HistogramSum& other) {
  for (std::size_t range = 0; range < counts_.size(); ++range)
    counts_[range] += other.counts_[range];
  sum_ns_ += other.sum_ns_;
}

std::uint64_t HistogramSum::count() const {
  std::uint64_t count = 0;
  for (const std::uint64_t in_range : counts_)
    count += in_range;
  return count;
}

prometheus::ClientMetric::Histogram HistogramSum::cumulative() const {
  prometheus::ClientMetric::Histogram histogram;
  std::uint64_t count = 0;
  for (std::size_t range = 0; range < counts_.size(); ++range) {
    count += counts_[range];
    const double bound = range < base::Histogram::bounds_ns.size()
                             ? static_cast<double>(base::Histogram::bounds_ns[range]) / 1e9
                             : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({count, bound});
  }
  histogram.sample_count = count;
  histogram.sample_sum = static_cast<double>(sum_ns_) / 1e9;
  return histogram;
}

Family::Family(std::string name, std::string help, prometheus::MetricType type) {
  family_.name = std::move(name);
  family_.help = std::move(help);
  family_.type = type;
}

void Family::add(Labels labels, double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  if (family_.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family_.metric.push_back(std::move(metric));
}

void Family::add(Labels labels, const HistogramSum& histogram) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.histogram = histogram.cumulative();
  family_.metric.push_back(std::move(metric));
}

}  // namespace azulb::admin
