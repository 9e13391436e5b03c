// How one worker's view of a snapshot follows another, and when it ends.
#include "azulb/proxy/worker_snapshot.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "../support/sockets.hpp"
#include "azulb/proxy/client_codec_table.hpp"

using namespace azulb;
using proxy::SnapshotUse;
using proxy::WorkerSnapshot;

namespace {

config::Config app(unsigned warm_connections, unsigned queue) {
  config::Config config;
  config.listeners.emplace_back().name = "http";
  config::Upstream& upstream = config.upstreams.emplace_back();
  upstream.name = "app";
  upstream.queue = queue;
  upstream.keepalive.connections = warm_connections;
  upstream.servers.push_back({"one", *base::parse_host_port("127.0.0.1:3001"), 1});
  return config;
}

discovery::ServerLists lists() {
  const base::SocketAddress address = base::resolve(*base::parse_host_port("127.0.0.1:3001"), false)->front();
  return {{"app", {{.name = "one", .address = address, .host = "", .weight = 1, .source = "servers"}}}};
}

/// A worker's snapshots without the worker.
class Views final : public proxy::WorkerSnapshotOwner {
 public:
  WorkerSnapshot& follow(config::Config config) {
    const proxy::Snapshot* const before = views_.empty() ? nullptr : &views_.back()->snapshot();
    auto snapshot = *proxy::Snapshot::prepare(std::move(config), lists(), before);
    snapshot->link(before);
    const proxy::MetricLabels labels = snapshot->metric_labels();
    metrics_ = metrics_ == nullptr ? std::make_shared<proxy::WorkerMetrics>(labels.shape())
                                   : std::make_shared<proxy::WorkerMetrics>(labels, *metrics_, labels_);
    labels_ = labels;
    WorkerSnapshot* const earlier = views_.empty() ? nullptr : views_.back().get();
    views_.push_back(std::make_unique<WorkerSnapshot>(*this, loop, pool_context_, random_, wakeups_,
                                                      std::move(snapshot), metrics_, earlier));
    return *views_.back();
  }
  std::size_t count() const { return views_.size(); }

  net::Loop loop;

 private:
  void snapshot_unused(WorkerSnapshot& snapshot) override {
    std::erase_if(views_, [&snapshot](const auto& each) { return each.get() == &snapshot; });
  }

  proxy::WorkerCodecs codecs_;
  base::Slab<upstream::ServerConnection> connections_;
  upstream::PoolContext pool_context_{.loop = loop, .codecs = codecs_.servers, .connections = connections_};
  base::Random random_{1};
  proxy::WakeDescriptors wake_descriptors_;
  proxy::Wakeups wakeups_{loop, wake_descriptors_};
  std::shared_ptr<proxy::WorkerMetrics> metrics_;
  proxy::MetricLabels labels_;
  std::vector<std::unique_ptr<WorkerSnapshot>> views_;
};

}  // namespace

TEST_CASE("the newest view lives although nothing uses it, and a superseded one only while something does") {
  Views views;
  WorkerSnapshot& first = views.follow(app(8, 10));
  test::settle(views.loop);
  CHECK(views.count() == 1);
  {
    const SnapshotUse use(first);
    SnapshotUse another(first);
    views.follow(app(8, 11));
    first.supersede();
    test::settle(views.loop);
    CHECK(views.count() == 2);
    const SnapshotUse moved(std::move(another));
  }
  CHECK(views.count() == 2);  // its end is out of the callbacks of this turn
  test::settle(views.loop);
  CHECK(views.count() == 1);
}

TEST_CASE("a view that nothing uses ends when it is superseded") {
  Views views;
  WorkerSnapshot& first = views.follow(app(8, 10));
  views.follow(app(8, 11));
  first.supersede();
  test::settle(views.loop);
  CHECK(views.count() == 1);
  CHECK(views.follow(app(8, 12)).config().upstreams[0].queue == 12);
}

TEST_CASE("pools and selectors go on where nothing about them has changed") {
  Views views;
  WorkerSnapshot& first = views.follow(app(8, 10));
  WorkerSnapshot& second = views.follow(app(8, 11));
  CHECK(second.upstream(0).servers[0].pool == first.upstream(0).servers[0].pool);
  CHECK(second.upstream(0).selector == first.upstream(0).selector);
  first.supersede();
  WorkerSnapshot& third = views.follow(app(4, 11));
  CHECK(third.upstream(0).servers[0].pool != second.upstream(0).servers[0].pool);
  CHECK(third.upstream(0).selector == second.upstream(0).selector);
  second.supersede();
  test::settle(views.loop);
  CHECK(views.count() == 1);
}

TEST_CASE("a server's change is told to a view that is superseded and still used") {
  Views views;
  WorkerSnapshot& first = views.follow(app(8, 10));
  {
    const SnapshotUse use(first);
    WorkerSnapshot& second = views.follow(app(8, 11));
    first.supersede();
    const balance::ServerState& server = second.upstream(0).snapshot->state->server(0);
    CHECK(first.snapshot().find_server(server).has_value());
    first.server_changed(server);
    second.server_changed(server);
    test::settle(views.loop);
    CHECK(views.count() == 2);
  }
  test::settle(views.loop);
  CHECK(views.count() == 1);
}
