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

TEST_CASE("a server is added, once") {
  AdminFixture azulb;
  for (const bool changed : {true, false}) {
    const auto reply =
        azulb.ask("POST", "/servers/app", {.body = R"({"address": "10.0.0.7:3000", "weight": 3})"});
    CHECK(reply.status == 200);
    const json answer = json::parse(reply.body);
    CHECK(answer["changed"] == changed);
    CHECK(answer["server"] == json{{"name", "10.0.0.7:3000"}, {"address", "10.0.0.7:3000"}});
  }
  REQUIRE(azulb.added.size() == 1);
  CHECK(azulb.added[0] == azulb::config::Server{"10.0.0.7:3000", {"10.0.0.7", 3000, false}, 3});
  const auto named =
      azulb.ask("POST", "/servers/app", {.body = R"({"address": "unix:/run/a", "name": "seven"})"});
  CHECK(json::parse(named.body)["server"] == json{{"name", "seven"}, {"address", "unix:/run/a"}});
}

TEST_CASE("what is no new server is refused, and says why") {
  AdminFixture azulb;
  const std::pair<const char*, const char*> refused[] = {
      {"{}", "a server needs an address"},
      {R"({"address": "nowhere"})", "port"},
      {R"({"address": "10.0.0.7:0"})", "nothing to connect to"},
      {R"({"address": 7})", "must be a string"},
      {R"({"address": "app7:3000"})", "app7:3000 is a name: add its addresses"},
      {R"({"address": "10.0.0.7:3000", "weight": 0})", "between 1 and 65535"},
      {R"({"address": "10.0.0.7:3000", "wieght": 2})", "did you mean weight?"},
      {R"({"address": "10.0.0.7:3000", "max_connections": 2})", "unknown key"},
      {R"({"address": null})", "null is no value"},
  };
  for (const auto& [body, words] : refused) {
    CAPTURE(body);
    const auto reply = azulb.ask("POST", "/servers/app", {.body = body});
    CHECK(reply.status == 400);
    CHECK_MESSAGE(error_of(reply).find(words) != std::string::npos, error_of(reply));
  }
  const auto reply = azulb.ask("POST", "/servers/app", {.body = R"({"address": "127.0.0.1:3001"})"});
  CHECK(reply.status == 409);
  CHECK(error_of(reply) == "127.0.0.1:3001 is there already: app1, of servers");
  CHECK(azulb.ask("POST", "/servers/ap", {.body = R"({"address": "10.0.0.7:3000"})"}).status == 404);
  CHECK(azulb.added.empty());
}

TEST_CASE("a server is removed by name or address, and the answer has it as it was") {
  AdminFixture azulb;
  const json answer = json::parse(azulb.ask("POST", "/servers/app/127.0.0.1:3002/remove").body);
  CHECK(answer["server"]["name"] == "app2");
  CHECK(azulb.removed == std::vector<std::uint32_t>{1});
  CHECK(azulb.ask("POST", "/servers/app/app3/remove").status == 404);
  CHECK(azulb.ask("GET", "/servers/app/app1/remove").status == 405);
}
