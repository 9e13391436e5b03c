#include <doctest/doctest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "azulb/admin/pages.hpp"
#include "fixture.hpp"

using azulb::admin::readiness;
using azulb::admin::state_page;
using azulb::balance::Outcome;
using azulb::proxy::ServerError;
using azulb::test::AdminFixture;

TEST_CASE("the state tells what the process is") {
  AdminFixture azulb;
  const auto state = nlohmann::json::parse(state_page(azulb.sources));
  const auto& process = state["process"];
  CHECK(process["version"] == "1.2.3");
  CHECK(process["pid"] == getpid());
  CHECK(process["started"] == "2026-11-23T09:33:49.000Z");
  CHECK(process["uptime_seconds"] == 61);
  CHECK(process["workers"] == 2);
  CHECK(process["draining"] == false);
  CHECK(process["configuration"] == "azulb.toml");
}

TEST_CASE("the state tells of listeners with their addresses and counts") {
  AdminFixture azulb;
  azulb.first_worker->listener(0).connections_accepted.add(5);
  azulb.second_worker->listener(0).connections_active.add(2);
  const auto listener = nlohmann::json::parse(state_page(azulb.sources))["listeners"][0];
  CHECK(listener["name"] == "http");
  CHECK(listener["address"] == nlohmann::json::array({"127.0.0.1:8080"}));
  CHECK(listener["connections_accepted"] == 5);
  CHECK(listener["connections_active"] == 2);
}

TEST_CASE("the state tells of every server what it is, why and since when") {
  AdminFixture azulb(true);
  azulb.upstream->record_check(0, true, "status 200");
  azulb.upstream->record_check(1, false, "connection refused \xff");
  azulb.sources.upstreams[0].health_since_ns = {azulb.sources.started_ns,
                                                azulb.sources.started_ns + 2'000'000'000};
  azulb.sources.upstreams[0].server_sources = {"dns app.internal:3000", "servers"};
  azulb.upstream->acquire(0);
  azulb.first_worker->server(0, 0).requests.add(4);
  azulb.second_worker->server(0, 0).requests.add(5);
  azulb.second_worker->server(0, 0).add_error(ServerError::reset);

  const auto upstream = nlohmann::json::parse(state_page(azulb.sources))["upstreams"][0];
  CHECK(upstream["name"] == "app");
  CHECK(upstream["balance"] == "round_robin");
  CHECK(upstream["availability"] == "available");
  CHECK(upstream["available_servers"] == 1);
  CHECK(upstream["active"] == 1);
  const auto& first = upstream["servers"][0];
  CHECK(first["name"] == "app1");
  CHECK(first["address"] == "127.0.0.1:3001");
  CHECK(first["source"] == "dns app.internal:3000");
  CHECK(first["weight"] == 1);
  CHECK(first["available"] == true);
  CHECK(first["health"] == "up");
  CHECK(first["health_reason"] == "status 200");
  CHECK(first["health_since"] == "2026-11-23T09:33:49.000Z");
  CHECK(first["ejected"] == false);
  CHECK(first["ejected_until"].is_null());
  CHECK(first["active"] == 1);
  CHECK(first["requests"] == 9);
  CHECK(first["errors"]["reset"] == 1);
  CHECK(first["errors"]["connect"] == 0);
  const auto& second = upstream["servers"][1];
  CHECK(second["health"] == "down");
  CHECK(second["available"] == false);
  CHECK(second["health_since"] == "2026-11-23T09:33:51.000Z");
  CHECK(second["health_reason"] ==
        "connection refused \xEF\xBF\xBD");  // a byte that is not UTF-8 is replaced
  azulb.upstream->release(0);
}

TEST_CASE("a server without checks says so, an ejected one says until when") {
  AdminFixture azulb;
  azulb.upstream->record_outcome(0, Outcome::error, azulb.sources.monotonic_ms);
  const auto servers = nlohmann::json::parse(state_page(azulb.sources))["upstreams"][0]["servers"];
  CHECK(servers[0]["health_reason"] == "not checked");
  CHECK(servers[0]["ejected"] == true);
  CHECK(servers[0]["available"] == false);
  CHECK(servers[0]["ejected_until"] == "2026-11-23T09:35:00.500Z");  // ten seconds after the page's moment
}

TEST_CASE("azulb is ready while every upstream has an available server") {
  AdminFixture azulb(true);
  auto result = readiness(azulb.sources);
  CHECK_FALSE(result.ready);
  CHECK(result.text == "upstream app has no available server: awaiting_first_check\n");

  azulb.upstream->record_check(0, false, "connection refused");
  azulb.upstream->record_check(1, false, "connection refused");
  CHECK(readiness(azulb.sources).text == "upstream app has no available server: down\n");

  azulb.upstream->record_check(0, true, "status 200");
  azulb.upstream->record_check(0, true, "status 200");
  result = readiness(azulb.sources);
  CHECK(result.ready);
  CHECK(result.text == "ready\n");
}

TEST_CASE("azulb is not ready while it drains") {
  AdminFixture azulb;
  azulb.sources.draining = true;
  const auto result = readiness(azulb.sources);
  CHECK_FALSE(result.ready);
  CHECK(result.text == "draining\n");
}
