#include <doctest/doctest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>

#include "azulb/admin/pages.hpp"
#include "azulb/http/flood.hpp"
#include "fixture.hpp"

using azulb::admin::metrics_page;
using azulb::admin::ProcessUsage;
using azulb::balance::Outcome;
using azulb::http::Flood;
using azulb::http::flood_names;
using azulb::proxy::ServerError;
using azulb::test::AdminFixture;

namespace {

/// Samples by name and labels, as written.
std::map<std::string, double> samples_of(const std::string& page) {
  std::map<std::string, double> samples;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t space = line.rfind(' ');
    const auto [place, is_new] = samples.emplace(line.substr(0, space), std::stod(line.substr(space + 1)));
    CHECK_MESSAGE(is_new, "written twice: " << line);
  }
  return samples;
}

constexpr const char* users = R"({listener="http",route="users",upstream="app"})";

}  // namespace

TEST_CASE("requests are added up over workers, by listener, route, upstream and code") {
  AdminFixture azulb;
  for (int i = 0; i < 3; ++i)
    azulb.first_worker->route(0, 0).requests.add(200);
  azulb.second_worker->route(0, 0).requests.add(200);
  azulb.second_worker->route(0, 0).requests.add(502);
  azulb.second_worker->route(0, 1).requests.add(308);
  azulb.second_worker->route(0, azulb.second_worker->no_route()).requests.add(404);
  const auto samples = samples_of(metrics_page(azulb.sources, {}));
  CHECK(samples.at(R"(azulb_http_requests_total{listener="http",route="users",upstream="app",code="200"})") ==
        4);
  CHECK(samples.at(R"(azulb_http_requests_total{listener="http",route="users",upstream="app",code="502"})") ==
        1);
  CHECK(samples.at(R"(azulb_http_requests_total{listener="http",route="old",upstream="",code="308"})") == 1);
  CHECK(samples.at(R"(azulb_http_requests_total{listener="http",route="",upstream="",code="404"})") == 1);
  CHECK(samples.at(R"(http_requests_total{code="200"})") == 4);
  CHECK(samples.count(R"(http_requests_total{code="500"})") == 0);
}

TEST_CASE("a duration histogram is cumulative, in seconds, and ends at infinity") {
  AdminFixture azulb;
  azulb.first_worker->route(0, 0).requests.add(200);
  azulb.first_worker->route(0, 0).duration.observe(400'000);
  azulb.second_worker->route(0, 0).duration.observe(3'000'000);
  azulb.second_worker->route(0, 0).duration.observe(100'000'000'000);
  const auto samples = samples_of(metrics_page(azulb.sources, {}));
  const auto bucket = [&](const std::string& bound) {
    return samples.at(
        R"(azulb_http_request_duration_seconds_bucket{listener="http",route="users",upstream="app",le=")" +
        bound + "\"}");
  };
  CHECK(bucket("0.0005") == 1);
  CHECK(bucket("0.0025") == 1);
  CHECK(bucket("0.005") == 2);
  CHECK(bucket("60") == 2);
  CHECK(bucket("+Inf") == 3);
  CHECK(samples.at(std::string("azulb_http_request_duration_seconds_count") + users) == 3);
  CHECK(samples.at(std::string("azulb_http_request_duration_seconds_sum") + users) ==
        doctest::Approx(100.0034));
  CHECK(samples.at("http_request_duration_seconds_count") == 3);
}

TEST_CASE("each source of servers tells how it fares, one without a success since when azulb runs") {
  AdminFixture azulb;
  azulb::discovery::SourceStatus good{.source = "dns app.internal:3000", .health = {}, .servers = 3};
  good.health.failures = 2;
  good.health.last_success_ms = azulb.sources.monotonic_ms - 1500;
  azulb.sources.upstreams[0].discovered = {good, {.source = "file /gone", .health = {}, .servers = 0}};
  const auto samples = samples_of(metrics_page(azulb.sources, {}));
  const std::string dns = R"({upstream="app",source="dns app.internal:3000"})";
  CHECK(samples.at("azulb_discovery_servers" + dns) == 3);
  CHECK(samples.at("azulb_discovery_failures_total" + dns) == 2);
  CHECK(samples.at("azulb_discovery_last_success_age_seconds" + dns) == 1.5);
  CHECK(samples.at(R"(azulb_discovery_last_success_age_seconds{upstream="app",source="file /gone"})") ==
        61.5);
}

TEST_CASE("a route whose first request is still under way is shown") {
  AdminFixture azulb;
  CHECK(samples_of(metrics_page(azulb.sources, {}))
            .count(std::string("azulb_http_requests_in_flight") + users) == 0);
  azulb.second_worker->route(0, 0).in_flight.add();
  CHECK(
      samples_of(metrics_page(azulb.sources, {})).at(std::string("azulb_http_requests_in_flight") + users) ==
      1);
}

TEST_CASE("every count of a listener has its own series") {
  AdminFixture azulb;
  auto& listener = azulb.first_worker->listener(0);
  listener.connections_accepted.add(1);
  listener.connections_refused.add(2);
  listener.proxy_headers_refused.add(7);
  listener.connections_active.add(3);
  listener.requests.add(4);
  listener.bytes_received.add(5);
  listener.bytes_sent.add(6'000'000'000'000);
  const auto samples = samples_of(metrics_page(azulb.sources, {}));
  CHECK(samples.at(R"(azulb_connections_accepted_total{listener="http"})") == 1);
  CHECK(samples.at(R"(azulb_connections_refused_total{listener="http"})") == 2);
  CHECK(samples.at(R"(azulb_proxy_headers_refused_total{listener="http"})") == 7);
  CHECK(samples.at(R"(azulb_connections_active{listener="http"})") == 3);
  CHECK(samples.at(R"(azulb_listener_requests_total{listener="http"})") == 4);
  CHECK(samples.at(R"(azulb_bytes_received_total{listener="http"})") == 5);
  CHECK(samples.at(R"(azulb_bytes_sent_total{listener="http"})") == 6'000'000'000'000);
}

TEST_CASE("floods are counted by listener and kind") {
  AdminFixture azulb;
  azulb.first_worker->listener(0).floods[static_cast<std::size_t>(Flood::ping)].add(2);
  azulb.second_worker->listener(0).floods[static_cast<std::size_t>(Flood::ping)].add();
  const auto samples = samples_of(metrics_page(azulb.sources, {}));
  CHECK(samples.at(R"(azulb_client_floods_total{listener="http",kind="ping"})") == 3);
  for (const std::string_view kind : flood_names) {
    CHECK(samples.count(R"(azulb_client_floods_total{listener="http",kind=")" + std::string(kind) + "\"}") ==
          1);
  }
}

TEST_CASE("floods are counted by server and kind") {
  AdminFixture azulb;
  azulb.first_worker->server(0, 1).floods[static_cast<std::size_t>(Flood::ping)].add(2);
  azulb.second_worker->server(0, 1).floods[static_cast<std::size_t>(Flood::ping)].add();
  const std::string page = metrics_page(azulb.sources, {});
  const auto count = [&](std::string_view text) {
    std::size_t found = 0;
    for (std::size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + 1))
      ++found;
    return found;
  };
  const std::size_t servers = count("\nazulb_server_requests_total{");
  CHECK(count("\nazulb_server_floods_total{") == servers * azulb::http::server_floods.size());
  CHECK(count("kind=\"ping\"} 3\n") == 1);
}

TEST_CASE("every count of a server has its own series") {
  AdminFixture azulb;
  auto& server = azulb.first_worker->server(0, 1);
  server.requests.add(1);
  server.retries.add(2);
  server.ejections.add(3);
  server.connections_opened.add(4);
  server.connections_reused.add(5);
  server.connections_idle.set(6);
  server.tunnels_active.add(7);
  server.add_error(ServerError::http_5xx);
  server.connect_time.observe(1);
  server.response_time.observe(1);
  server.response_time.observe(1);
  const auto samples = samples_of(metrics_page(azulb.sources, {}));
  const std::string labels = R"({upstream="app",server="app2"})";
  CHECK(samples.at("azulb_server_requests_total" + labels) == 1);
  CHECK(samples.at("azulb_server_retries_total" + labels) == 2);
  CHECK(samples.at("azulb_server_ejections_total" + labels) == 3);
  CHECK(samples.at("azulb_server_connections_opened_total" + labels) == 4);
  CHECK(samples.at("azulb_server_connections_reused_total" + labels) == 5);
  CHECK(samples.at("azulb_server_connections_idle" + labels) == 6);
  CHECK(samples.at("azulb_server_tunnels_active" + labels) == 7);
  CHECK(samples.at("azulb_server_connect_seconds_count" + labels) == 1);
  CHECK(samples.at("azulb_server_response_seconds_count" + labels) == 2);
  CHECK(samples.at(R"(azulb_server_errors_total{upstream="app",server="app2",kind="http_5xx"})") == 1);
  CHECK(samples.at(R"(azulb_server_errors_total{upstream="app",server="app2",kind="connect"})") == 0);
  CHECK(samples.at(R"(azulb_server_requests_total{upstream="app",server="app1"})") == 0);
}

TEST_CASE("health, ejection and active requests come from the balance state") {
  AdminFixture azulb(true);
  auto samples = samples_of(metrics_page(azulb.sources, {}));
  const std::string labels = R"({upstream="app",server="app1"})";
  CHECK(samples.at("azulb_server_up" + labels) == 0);
  CHECK(samples.at(R"(azulb_server_health{upstream="app",server="app1",state="unknown"})") == 1);
  CHECK(samples.at(R"(azulb_upstream_available_servers{upstream="app"})") == 0);

  azulb.upstream->record_check(0, true, "status 200");
  azulb.upstream->record_check(1, true, "status 200");
  azulb.upstream->record_outcome(0, Outcome::error, azulb.sources.monotonic_ms);
  azulb.upstream->acquire(1);
  samples = samples_of(metrics_page(azulb.sources, {}));
  CHECK(samples.at("azulb_server_up" + labels) == 1);
  CHECK(samples.at(R"(azulb_server_health{upstream="app",server="app1",state="unknown"})") == 0);
  CHECK(samples.at(R"(azulb_server_health{upstream="app",server="app1",state="up"})") == 1);
  CHECK(samples.at("azulb_server_ejected" + labels) == 1);
  CHECK(samples.at(R"(azulb_server_active_requests{upstream="app",server="app2"})") == 1);
  CHECK(samples.at(R"(azulb_upstream_available_servers{upstream="app"})") == 1);
  azulb.upstream->release(1);
}

TEST_CASE("the process is described, under azulb's names and those that Azu's users know") {
  AdminFixture azulb;
  const auto samples = samples_of(metrics_page(azulb.sources, ProcessUsage{12'345'678, 1'500'000, 42, 1024}));
  CHECK(samples.at("azulb_process_resident_memory_bytes") == 12'345'678);
  CHECK(samples.at("memory_usage_bytes") == 12'345'678);
  CHECK(samples.at("azulb_process_cpu_seconds_total") == 1.5);
  CHECK(samples.at("azulb_process_open_fds") == 42);
  CHECK(samples.at("azulb_process_max_fds") == 1024);
  CHECK(samples.at("azulb_process_start_time_seconds") == 1'795'426'429);
  CHECK(samples.at(R"(azulb_build_info{version="1.2.3"})") == 1);
  CHECK(samples.at("azulb_workers") == 2);
  CHECK(samples.at("azulb_access_log_dropped_total") == 0);
}

TEST_CASE("every family has a help text and a type, once, and counters end in _total") {
  AdminFixture azulb;
  azulb.first_worker->route(0, 0).requests.add(200);
  std::istringstream lines(metrics_page(azulb.sources, {}));
  std::set<std::string> helped;
  std::set<std::string> typed;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash;
    std::string keyword;
    std::string name;
    std::string rest;
    words >> hash >> keyword >> name >> rest;
    if (hash != "#") {
      const std::string sample = line.substr(0, line.find_first_of("{ "));
      bool known = typed.contains(sample);
      for (const char* suffix : {"_bucket", "_sum", "_count"}) {
        if (sample.ends_with(suffix)) known = known || typed.contains(sample.substr(0, sample.rfind('_')));
      }
      CHECK_MESSAGE(known, sample);
    } else if (keyword == "HELP") {
      CHECK(helped.insert(name).second);
      CHECK_FALSE(rest.empty());
    } else {
      CHECK(keyword == "TYPE");
      CHECK(typed.insert(name).second);
      CHECK_MESSAGE(name.ends_with("_total") == (rest == "counter"), name);
    }
  }
  CHECK(helped == typed);
  CHECK(helped.size() > 30);
}

TEST_CASE("a label with a quote, a backslash and a line break is escaped") {
  AdminFixture azulb;
  azulb.labels.listeners[0] = "a\"b\\c\nd";
  CHECK(metrics_page(azulb.sources, {}).find(R"({listener="a\"b\\c\nd"})") != std::string::npos);
}

TEST_CASE("the kernel's figures of this process are plausible") {
  const ProcessUsage usage = azulb::admin::read_process_usage({});
  CHECK(usage.resident_memory_bytes > 100'000);
  CHECK(usage.open_fds >= 1);
  CHECK(usage.max_fds >= usage.open_fds);
}
