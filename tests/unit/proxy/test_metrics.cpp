#include "azulb/proxy/metrics.hpp"

#include <doctest/doctest.h>

#include "allocation_counter.hpp"
#include "azulb/config/config.hpp"

using azulb::proxy::MetricLabels;
using azulb::proxy::ServerError;
using azulb::proxy::StatusCounters;
using azulb::proxy::WorkerMetrics;

TEST_CASE("status codes are counted one by one, anything else under 0") {
  StatusCounters counters;
  CHECK(counters.value(200) == 0);
  for (const int status : {100, 200, 200, 599, 0, 99, 600, -1})
    counters.add(status);
  CHECK(counters.value(100) == 1);
  CHECK(counters.value(200) == 2);
  CHECK(counters.value(599) == 1);
  CHECK(counters.value(0) == 4);
  CHECK(counters.value(404) == 0);
}

TEST_CASE("counting allocates at a route's first request only") {
  WorkerMetrics metrics({1, 2, {3}});
  metrics.route(0, 1).requests.add(200);
  const auto before = azulb::test::allocation_count();
  for (int status = 100; status < 600; ++status)
    metrics.route(0, 1).requests.add(status);
  metrics.route(0, 1).duration.observe(1'000'000);
  metrics.server(0, 2).add_error(ServerError::timeout);
  CHECK(azulb::test::allocation_count() == before);
}

TEST_CASE("every listener, route and server has counters of its own") {
  WorkerMetrics metrics({2, 3, {2, 0, 4}});
  CHECK(metrics.listener_count() == 2);
  CHECK(metrics.no_route() == 3);
  CHECK(metrics.upstream_count() == 3);
  CHECK(metrics.server_count(0) == 2);
  CHECK(metrics.server_count(1) == 0);
  CHECK(metrics.server_count(2) == 4);
  std::uint64_t mark = 0;
  for (std::size_t l = 0; l < 2; ++l) {
    metrics.listener(l).requests.add(++mark);
    for (std::size_t r = 0; r <= metrics.no_route(); ++r)
      metrics.route(l, r).in_flight.set(++mark);
  }
  for (const std::size_t u : {0, 2}) {
    for (std::size_t s = 0; s < metrics.server_count(u); ++s)
      metrics.server(u, s).requests.add(++mark);
  }
  mark = 0;
  for (std::size_t l = 0; l < 2; ++l) {
    CHECK(metrics.listener(l).requests.value() == ++mark);
    for (std::size_t r = 0; r <= metrics.no_route(); ++r)
      CHECK(metrics.route(l, r).in_flight.value() == ++mark);
  }
  for (const std::size_t u : {0, 2}) {
    for (std::size_t s = 0; s < metrics.server_count(u); ++s)
      CHECK(metrics.server(u, s).requests.value() == ++mark);
  }
}

TEST_CASE("labels follow the configuration's order") {
  azulb::config::Config config;
  config.listeners.resize(1);
  config.listeners[0].name = "http";
  config.upstreams.resize(1);
  config.upstreams[0].name = "app";
  config.upstreams[0].servers = {{"a", {}, 1}, {"b", {}, 1}};

  MetricLabels labels = MetricLabels::from(config);
  REQUIRE(labels.routes.size() == 1);  // no route is written: all goes to the only upstream
  CHECK(labels.routes[0].name == "default");
  CHECK(labels.routes[0].upstream == "app");
  CHECK(labels.shape().servers == std::vector<std::size_t>{2});

  config.routes.resize(2);
  config.routes[0].name = "users";
  config.routes[0].upstream = "app";
  config.routes[1].name = "old";
  labels = MetricLabels::from(config);
  REQUIRE(labels.routes.size() == 2);
  CHECK(labels.routes[0].name == "users");
  CHECK(labels.routes[1].upstream.empty());
  CHECK(labels.upstreams[0].servers == std::vector<std::string>{"a", "b"});
}

namespace {

MetricLabels labels_of(std::vector<std::string> listeners, std::vector<MetricLabels::Route> routes,
                       std::vector<MetricLabels::Upstream> upstreams) {
  return {std::move(listeners), std::move(routes), std::move(upstreams)};
}

}  // namespace

TEST_CASE("the tables of the next snapshot go on counting where the same names stand") {
  const MetricLabels before =
      labels_of({"http", "https"}, {{"users", "app"}, {"old", ""}}, {{"app", {"a", "b"}}, {"gone", {"x"}}});
  WorkerMetrics earlier(before.shape());
  earlier.listener(1).requests.add(7);
  earlier.route(1, 0).in_flight.add(3);
  earlier.route(1, earlier.no_route()).requests.add(404);
  earlier.server(0, 1).requests.add(5);
  const MetricLabels after = labels_of({"https", "new"}, {{"more", "app"}, {"users", "app"}, {"old", "app"}},
                                       {{"fresh", {"a"}}, {"app", {"c", "b"}}});
  WorkerMetrics later(after, earlier, before);
  CHECK(later.listener(0).requests.value() == 7);
  CHECK(later.route(0, 1).in_flight.value() == 3);
  CHECK(later.route(0, later.no_route()).requests.value(404) == 1);
  CHECK(later.server(1, 1).requests.value() == 5);
  // What runs on under the earlier snapshot is counted in the same place.
  earlier.route(1, 0).in_flight.subtract();
  earlier.server(0, 1).requests.add();
  CHECK(later.route(0, 1).in_flight.value() == 2);
  CHECK(later.server(1, 1).requests.value() == 6);
}

TEST_CASE("a series with another name, or of a route that leads elsewhere, begins at zero") {
  const MetricLabels before = labels_of({"http"}, {{"users", "app"}}, {{"app", {"a"}}, {"gone", {"x"}}});
  WorkerMetrics earlier(before.shape());
  earlier.listener(0).requests.add(7);
  earlier.route(0, 0).requests.add(200);
  earlier.server(0, 0).requests.add(5);
  earlier.server(1, 0).requests.add(6);
  const MetricLabels after =
      labels_of({"web", "http"}, {{"users", "other"}}, {{"app", {"x"}}, {"other", {"a"}}});
  WorkerMetrics later(after, earlier, before);
  CHECK(later.listener(0).requests.value() == 0);
  CHECK(later.listener(1).requests.value() == 7);
  CHECK_FALSE(later.route(1, 0).requests.used());
  CHECK(later.server(0, 0).requests.value() == 0);
  CHECK(later.server(1, 0).requests.value() == 0);
}
