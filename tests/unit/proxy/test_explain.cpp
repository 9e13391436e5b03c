#include "azulb/proxy/explain.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "azulb/config/load.hpp"

using namespace azulb;
using proxy::RouteMismatch;

namespace {

std::shared_ptr<proxy::Snapshot> snapshot_of(const std::string& upstream = "") {
  auto config = config::load_text(R"(
[listener.http]
address = "127.0.0.1:8080"
[listener.internal]
address = "127.0.0.1:8081"
[[route]]
name = "admin"
listener = ["internal"]
path_prefix = "/admin"
upstream = "app"
[[route]]
name = "api"
host = "api.example.com"
upstream = "app"
[[route]]
name = "orders"
path_prefix = "/orders"
methods = ["POST"]
upstream = "app"
[[route]]
name = "old"
path = "/old"
redirect = { status = 308, to = "https://${host}/new" }
[[route]]
name = "users"
path_prefix = "/users"
upstream = "app"
[upstream.app]
servers = ["127.0.0.1:3001", "127.0.0.1:3002"]
)" + upstream,
                                  "test");
  if (!config) FAIL(config::render(config.error()));
  discovery::ServerList servers;
  for (const config::Server& server : config->upstreams[0].servers)
    servers.push_back({server.name, base::resolve(server.address, false)->front(), "", 1, "servers"});
  auto built = proxy::Snapshot::build(*std::move(config), {{"app", servers}});
  REQUIRE(built);
  return *built;
}

proxy::Explanation explained(const proxy::Snapshot& snapshot, proxy::AskedRequest asked) {
  auto explanation = proxy::explain(snapshot, asked);
  if (!explanation) FAIL(explanation.error().message);
  return *std::move(explanation);
}

std::string fault(proxy::AskedRequest asked) {
  const auto snapshot = snapshot_of();
  const auto explanation = proxy::explain(*snapshot, asked);
  return explanation ? "" : explanation.error().message;
}

}  // namespace

TEST_CASE("each route before the one that matches says why it does not") {
  const auto snapshot = snapshot_of();
  const auto found = explained(*snapshot, {.url = "http://www.example.com:8080/users/7?a=b"});
  CHECK(found.listener == 0);
  CHECK(found.routes.routes == std::vector{RouteMismatch::listener, RouteMismatch::host, RouteMismatch::path,
                                           RouteMismatch::path, RouteMismatch::none});
  CHECK(found.routes.match == 4);
  CHECK(found.status == 0);
  const auto orders = explained(*snapshot, {.url = "http://localhost:8080/orders"});
  CHECK(orders.routes.routes[2] == RouteMismatch::method);
  CHECK_FALSE(orders.routes.match);
  CHECK(orders.status == 404);
}

TEST_CASE("the listener is the one with the URL's port and scheme, or the one that is named") {
  const auto snapshot = snapshot_of();
  CHECK(explained(*snapshot, {.url = "http://localhost:8081/admin"}).routes.match == 0);
  CHECK(explained(*snapshot, {.url = "http://localhost/admin", .listener = "internal"}).routes.match == 0);
  CHECK(fault({.url = "http://localhost:9999/"}) ==
        "no listener speaks http on port 9999: name one of http, internal with --listener");
  CHECK(fault({.url = "https://localhost:8080/"}).starts_with("no listener speaks https on port 8080"));
  CHECK(fault({.url = "http://localhost/", .listener = "intern"}) ==
        "no listener intern; did you mean internal?");
}

TEST_CASE("the server is the next in turn, and asking takes no turn") {
  const auto snapshot = snapshot_of();
  balance::UpstreamState& state = *snapshot->upstream(0).state;
  const auto selector = state.make_selector(1);
  for (int i = 0; i < 6; ++i) {
    const auto first = explained(*snapshot, {.url = "http://localhost:8080/users"});
    CHECK(explained(*snapshot, {.url = "http://localhost:8080/users"}).chosen == first.chosen);
    CHECK(selector->choose_and_acquire({}) == first.chosen);
  }
}

TEST_CASE("a server that may not be chosen says why") {
  const auto snapshot = snapshot_of("health.fall = 1\nbalance = \"least_connections\"");
  balance::UpstreamState& state = *snapshot->upstream(0).state;
  const auto reason = [&](std::uint32_t server) {
    return explained(*snapshot, {.url = "http://localhost:8080/users"}).servers[server].reason;
  };
  CHECK(reason(0) == "not checked yet");
  state.record_check(0, true, "status 200");
  CHECK(reason(0) == "up");
  state.record_check(1, false, "connection refused");
  CHECK(reason(1) == "down: connection refused");
  state.set_admin_state(1, balance::AdminState::draining);
  CHECK(reason(1) == "draining, down: connection refused");
  state.set_admin_state(0, balance::AdminState::disabled);
  const auto found = explained(*snapshot, {.url = "http://localhost:8080/users"});
  CHECK(found.servers[0].reason == "disabled");
  CHECK_FALSE(found.chosen);
  CHECK(found.status == 503);
}

TEST_CASE("what the server gets is written by the writer that would send it") {
  const auto snapshot = snapshot_of();
  const auto found = explained(
      *snapshot, {.url = "http://www.example.com:8080/users?q=1",
                  .headers = {{"Connection", "X-Hop"}, {"X-Hop", "1"}, {"X-Forwarded-For", "1.2.3.4"}},
                  .client = "203.0.113.9"});
  CHECK(found.sent_head.starts_with("GET /users?q=1 HTTP/1.1\r\nHost: www.example.com:8080\r\n"));
  CHECK(found.sent_head.find("X-Forwarded-For: 203.0.113.9\r\n") != std::string::npos);
  CHECK(found.sent_head.find("X-Hop") == std::string::npos);
  CHECK(found.sent_head.find("1.2.3.4") == std::string::npos);
}

TEST_CASE("hash names its key; the same key leads to the same server") {
  const auto snapshot = snapshot_of("balance = \"hash\"\nhash_key = \"cookie:user\"");
  const auto found =
      explained(*snapshot, {.url = "http://localhost:8080/users", .headers = {{"Cookie", "a=b; user=ann"}}});
  CHECK(found.hash_value == "ann");
  CHECK(explained(*snapshot, {.url = "http://localhost:8080/users/x", .headers = {{"Cookie", "user=ann"}}})
            .chosen == found.chosen);
}

TEST_CASE("redirects, refusals and paths with two readings") {
  const auto snapshot = snapshot_of();
  const auto redirect = explained(*snapshot, {.url = "http://www.example.com:8080/old"});
  CHECK(redirect.status == 308);
  CHECK(redirect.location == "https://www.example.com/new");
  const auto refused = explained(*snapshot, {.method = "TRACE", .url = "http://localhost:8080/"});
  CHECK(refused.status == 405);
  CHECK_FALSE(refused.refusal.empty());
  const auto twice = explained(*snapshot, {.url = "http://localhost:8080/users/..%2Fold"});
  CHECK(twice.routes.two_readings);
  CHECK(twice.status == 404);
}

TEST_CASE("the path is told in the normal form, in which the server gets it") {
  const auto snapshot = snapshot_of();
  const auto found = explained(*snapshot, {.url = "http://localhost:8080/x//../%75sers/%7e?a=%61"});
  CHECK(found.path == "/users/~");
  CHECK(found.routes.match == 4);
  CHECK(found.sent_head.starts_with("GET /users/~?a=%61 HTTP/1.1\r\n"));
}

TEST_CASE("what is no request is an error in words") {
  CHECK(fault({.url = "localhost/x"}) == "\"localhost/x\" is no URL: it begins with http:// or https://");
  CHECK(fault({.url = "http://a b/"}) == "\"a b\" is no host");
  CHECK(fault({.url = "http://localhost:99999/"}) == "\"localhost:99999\" is no host");
  CHECK(fault({.url = "http://localhost:8080/a b"}).find("percent-encoded") != std::string::npos);
  CHECK(fault({.method = "GE T", .url = "http://localhost:8080/"}) == "\"GE T\" is no method");
  CHECK(fault({.url = "http://localhost:8080/", .headers = {{"A b", "c"}}}) ==
        "\"A b: c\" is no header field");
  CHECK(fault({.url = "http://localhost:8080/", .headers = {{"A", "b\r\nC: d"}}}).find("no header field") !=
        std::string::npos);
  CHECK(fault({.url = "http://localhost:8080/", .client = "nobody"}) ==
        "\"nobody\" is no address to come from");
}
