// An azulb of one listener, two routes, one upstream of two servers and two workers, at a fixed moment.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azulb/admin/control.hpp"
#include "azulb/admin/handler.hpp"
#include "azulb/admin/sources.hpp"

namespace azulb::test {

class AdminFixture final : private admin::Control {
 public:
  /// `checked`: the servers have health checks and wait for their first verdict; else they are up.
  explicit AdminFixture(bool checked = false);

  /// A request as curl would send it to 127.0.0.1:9900, with whatever is set in `more` besides.
  admin::AdminReply ask(std::string_view method, std::string_view path, admin::AdminRequest more = {});

  config::Config config;
  proxy::MetricLabels labels;
  std::shared_ptr<balance::UpstreamState> upstream;
  std::unique_ptr<proxy::WorkerMetrics> first_worker;
  std::unique_ptr<proxy::WorkerMetrics> second_worker;
  admin::AdminSources sources;
  std::vector<ReloadObserver> reloads;  // asked for, to be told of
  std::vector<UpgradeObserver> upgrades;
  std::vector<config::Server> added;
  std::vector<std::uint32_t> removed;

 private:
  bool set_admin_state(std::uint32_t index, std::uint32_t server, balance::AdminState state) override;
  bool set_weight(std::uint32_t index, std::uint32_t server, std::uint32_t weight) override;
  void reload(ReloadObserver observer) override { reloads.push_back(std::move(observer)); }
  void upgrade(UpgradeObserver observer) override { upgrades.push_back(std::move(observer)); }
  base::Result<bool> add_server(std::uint32_t index, const config::Server& server) override;
  base::Result<void> remove_server(std::uint32_t index, std::uint32_t server) override;
};

}  // namespace azulb::test
