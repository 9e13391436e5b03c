#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "fixture.hpp"

using azulb::admin::AdminReply;
using azulb::balance::AdminState;
using azulb::test::AdminFixture;
using nlohmann::json;

namespace {

std::string error_of(const AdminReply& reply) {
  return json::parse(reply.body).at("error");
}

}  // namespace

TEST_CASE("a server is drained, disabled and enabled, and the answer shows it as it is now") {
  AdminFixture azulb;
  const std::pair<const char*, AdminState> actions[] = {
      {"drain", AdminState::draining}, {"disable", AdminState::disabled}, {"enable", AdminState::enabled}};
  for (const auto& [action, state] : actions) {
    for (const bool changed : {true, false}) {
      const auto reply = azulb.ask("POST", std::string("/servers/app/app2/") + action, {.body = "{}"});
      CHECK(reply.status == 200);
      const json answer = json::parse(reply.body);
      CHECK(answer["changed"] == changed);
      CHECK(answer["upstream"] == "app");
      CHECK(answer["server"]["name"] == "app2");
      CHECK(answer["server"]["admin_state"] == to_string(state));
      CHECK(answer["server"]["available"] == (state == AdminState::enabled));
      CHECK(azulb.upstream->server(1).admin_state() == state);
      CHECK(azulb.upstream->server(0).eligible());
    }
  }
}

TEST_CASE("a server is named by its address as well, percent-encoded or not") {
  AdminFixture azulb;
  CHECK(azulb.ask("POST", "/servers/app/127.0.0.1:3002/drain").status == 200);
  CHECK_FALSE(azulb.upstream->server(1).eligible());
  CHECK(azulb.ask("POST", "/servers/app/127.0.0.1%3A3002/enable").status == 200);
  CHECK(azulb.upstream->server(1).eligible());
}

TEST_CASE("a weight is set, and what is no weight is refused") {
  AdminFixture azulb;
  const auto reply = azulb.ask("POST", "/servers/app/app1/weight", {.body = R"({"weight": 5})"});
  CHECK(reply.status == 200);
  const json answer = json::parse(reply.body);
  CHECK(answer["server"]["weight"] == 5);
  CHECK(answer["server"]["configured_weight"] == 1);
  for (const char* body :
       {"", "{}", R"({"weight": 0})", R"({"weight": -1})", R"({"weight": 65536})", R"({"weight": 1.5})",
        R"({"weight": "5"})", R"({"weight": 99999999999999999999999999})", R"({"weight": true})"}) {
    CAPTURE(body);
    const auto refused = azulb.ask("POST", "/servers/app/app1/weight", {.body = body});
    CHECK(refused.status == 400);
    CHECK(error_of(refused).find("1 to 65535") != std::string::npos);
  }
  CHECK(azulb.upstream->server(0).weight() == 5);
}

TEST_CASE("an unknown name is answered with the nearest known one") {
  AdminFixture azulb;
  auto reply = azulb.ask("POST", "/servers/app/app9/drain");
  CHECK(reply.status == 404);
  CHECK(error_of(reply) == "no server app9 in upstream app; did you mean app1?");
  reply = azulb.ask("GET", "/servers/ap");
  CHECK(reply.status == 404);
  CHECK(error_of(reply) == "no upstream ap; did you mean app?");
  reply = azulb.ask("GET", "/servers/something-else/app1");
  CHECK(error_of(reply) == "no upstream something-else");
  reply = azulb.ask("POST", "/servers/app/app1/weight", {.body = R"({"wieght": 5})"});
  CHECK(reply.status == 400);
  CHECK(error_of(reply) == "unknown key \"wieght\"; did you mean weight?");
  reply = azulb.ask("POST", "/servers/app/app1/drain", {.body = R"({"after": 5})"});
  CHECK(error_of(reply) == "unknown key \"after\"");
}

TEST_CASE("servers are listed, by upstream and alone, as on the state page") {
  AdminFixture azulb;
  const json state = json::parse(azulb.ask("GET", "/state").body);
  CHECK(json::parse(azulb.ask("GET", "/servers").body)["upstreams"] == state["upstreams"]);
  CHECK(json::parse(azulb.ask("GET", "/servers/app").body) == state["upstreams"][0]);
  CHECK(json::parse(azulb.ask("GET", "/servers/app/app1").body) == state["upstreams"][0]["servers"][0]);
}
