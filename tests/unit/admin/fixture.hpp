// An azulb of one listener, two routes, one upstream of two servers and two workers, at a fixed moment.
#pragma once

#include <memory>
#include <string>

#include "azulb/admin/sources.hpp"

namespace azulb::test {

class AdminFixture {
 public:
  /// `checked`: the servers have health checks and wait for their first verdict; else they are up.
  explicit AdminFixture(bool checked = false);

  config::Config config;
  proxy::MetricLabels labels;
  std::shared_ptr<balance::UpstreamState> upstream;
  std::unique_ptr<proxy::WorkerMetrics> first_worker;
  std::unique_ptr<proxy::WorkerMetrics> second_worker;
  admin::AdminSources sources;
};

}  // namespace azulb::test
