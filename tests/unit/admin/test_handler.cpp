#include "azulb/admin/handler.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "fixture.hpp"

using azulb::admin::AdminReply;
using azulb::test::AdminFixture;

namespace {

std::string header(const AdminReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

std::string error_of(const AdminReply& reply) {
  return nlohmann::json::parse(reply.body).at("error");
}

}  // namespace

TEST_CASE("each page is found and has its type") {
  AdminFixture azulb;
  const auto metrics = azulb.ask("GET", "/metrics");
  CHECK(metrics.status == 200);
  CHECK(metrics.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(metrics.body.find("\nazulb_process_open_fds ") != std::string::npos);
  const auto state = azulb.ask("GET", "/state");
  CHECK(state.content_type == "application/json");
  CHECK(nlohmann::json::accept(state.body));
  CHECK(azulb.ask("GET", "/healthz").body == "ok\n");
  CHECK(azulb.ask("GET", "/readyz").status == 200);
  const auto index = azulb.ask("GET", "/");
  CHECK(index.status == 200);
  for (const char* path :
       {"/metrics", "/state", "/healthz", "/readyz", "/servers/{upstream}/{server}/drain"}) {
    CHECK(index.body.find(path) != std::string::npos);
  }
}

TEST_CASE("HEAD gets what GET gets") {
  AdminFixture azulb;
  const auto get = azulb.ask("GET", "/healthz");
  const auto head = azulb.ask("HEAD", "/healthz");
  CHECK(head.status == get.status);
  CHECK(head.body == get.body);
}

TEST_CASE("while draining azulb lives but is not ready") {
  AdminFixture azulb;
  azulb.sources.draining = true;
  CHECK(azulb.ask("GET", "/healthz").status == 200);
  const auto reply = azulb.ask("GET", "/readyz");
  CHECK(reply.status == 503);
  CHECK(reply.body == "draining\n");
}

TEST_CASE("an unknown path is 404 and lists the known ones") {
  AdminFixture azulb;
  for (const char* target : {"/nothing", "", "metrics", "/metrics/", "/Metrics", "*", "/servers/",
                             "/servers//", "/servers/app/app1/", "/servers/app/app1/drain/now"}) {
    CAPTURE(target);
    const auto reply = azulb.ask("GET", target);
    CHECK(reply.status == 404);
    CHECK(reply.body.find("/metrics") != std::string::npos);
  }
}

TEST_CASE("pages cannot be written to, and actions not read") {
  AdminFixture azulb;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
    const auto reply = azulb.ask(method, "/state");
    CHECK(reply.status == 405);
    CHECK(header(reply, "Allow") == "GET, HEAD");
  }
  const auto reply = azulb.ask("GET", "/servers/app/app1/drain");
  CHECK(reply.status == 405);
  CHECK(header(reply, "Allow") == "POST");
  CHECK(azulb.upstream->server(0).eligible());
}

TEST_CASE("with a token anything but reading needs it, and reading does not") {
  AdminFixture azulb;
  azulb.sources.token = "secret";
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer secre", "Bearer secreT", "Bearer secrets",
                            "Basic secret", "secret", "Bearer  secret"}) {
    for (const char* path : {"/state", "/servers/app/app1/drain", "/nothing"}) {
      const auto reply = azulb.ask("POST", path, {.authorization = wrong});
      CHECK(reply.status == 401);
      CHECK(header(reply, "WWW-Authenticate") == "Bearer realm=\"azulb\"");
      CHECK(reply.body.find("secret") == std::string::npos);
    }
  }
  CHECK(azulb.upstream->server(0).eligible());
  CHECK(azulb.ask("POST", "/state", {.authorization = "Bearer secret"}).status == 405);
  CHECK(azulb.ask("POST", "/state", {.authorization = "bearer secret"}).status == 405);
  CHECK(azulb.ask("GET", "/state").status == 200);
  CHECK(azulb.ask("POST", "/servers/app/app1/drain", {.authorization = "Bearer secret"}).status == 200);
}

TEST_CASE("a page of another site may not use the interface") {
  AdminFixture azulb;
  for (const char* origin : {"http://evil.example", "null", "http://127.0.0.1:8080", "https://127.0.0.1",
                             "http://127.0.0.1:9900.evil.example", "file://"}) {
    CAPTURE(origin);
    CHECK(azulb.ask("GET", "/state", {.origin = origin}).status == 403);
    CHECK(azulb.ask("POST", "/servers/app/app1/drain", {.origin = origin}).status == 403);
  }
  CHECK(azulb.ask("GET", "/state", {.fetch_site = "cross-site", .fetch_mode = "no-cors"}).status == 403);
  CHECK(azulb.ask("GET", "/state", {.fetch_site = "same-site", .fetch_mode = "cors"}).status == 403);
  CHECK(azulb.upstream->server(0).eligible());
  CHECK(azulb.ask("GET", "/state", {.fetch_site = "cross-site", .fetch_mode = "navigate"}).status == 200);
  CHECK(azulb.ask("GET", "/state", {.origin = "http://127.0.0.1:9900", .fetch_site = "same-origin"}).status ==
        200);
  CHECK(azulb.ask("POST", "/servers/app/app1/drain", {.origin = "http://127.0.0.1:9900"}).status == 200);
}

TEST_CASE("no answer lets another site read it") {
  AdminFixture azulb;
  for (const char* path : {"/state", "/metrics", "/nothing"}) {
    const auto reply = azulb.ask("GET", path);
    CHECK(header(reply, "Cross-Origin-Resource-Policy") == "same-origin");
    CHECK(header(reply, "X-Content-Type-Options") == "nosniff");
    CHECK(header(reply, "Cache-Control") == "no-store");
    for (const auto& [name, value] : reply.headers)
      CHECK_FALSE(name.starts_with("Access-Control-"));
  }
}

TEST_CASE("on a loopback address a Host that is no name of this machine is a name that was rebound") {
  AdminFixture azulb;
  for (const char* host :
       {"evil.example", "evil.example:9900", "localhost.evil.example:9900", "127.0.0.1.nip.io", "a b"}) {
    CAPTURE(host);
    CHECK(azulb.ask("GET", "/state", {.host = host}).status == 403);
    CHECK(azulb.ask("POST", "/servers/app/app1/drain", {.host = host}).status == 403);
    CHECK(azulb.ask("GET", "/healthz", {.host = host}).status == 200);
  }
  for (const char* host : {"localhost:9900", "LOCALHOST", "localhost.", "lb.localhost:9900", "lb",
                           "127.0.0.1", "[::1]:9900", "10.0.0.7:9900"}) {
    CAPTURE(host);
    CHECK(azulb.ask("GET", "/state", {.host = host}).status == 200);
  }
  SUBCASE("other addresses have many names, and a token") {
    azulb.config.admin->address = {"0.0.0.0", 9900, false};
    CHECK(azulb.ask("GET", "/state", {.host = "lb.example.com:9900"}).status == 200);
  }
  SUBCASE("no browser reaches a unix socket") {
    azulb.config.admin->address = {"/run/azulb.sock", 0, true};
    CHECK(azulb.ask("GET", "/state", {.host = "anything"}).status == 200);
  }
}

TEST_CASE("a change must be JSON, which no page can send to another origin unasked") {
  AdminFixture azulb;
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"}) {
    CHECK(azulb.ask("POST", "/servers/app/app1/drain", {.content_type = type}).status == 415);
  }
  CHECK(azulb.upstream->server(0).eligible());
  CHECK(azulb.ask("POST", "/servers/app/app1/drain", {.content_type = "Application/JSON ; charset=utf-8"})
            .status == 200);
  for (const char* body : {"{", "[]", "1", "\"x\"", "{} {}", "nul\x01"}) {
    CAPTURE(body);
    const auto reply = azulb.ask("POST", "/servers/app/app2/drain", {.body = body});
    CHECK(reply.status == 400);
    CHECK(error_of(reply) == "the body is no JSON object");
  }
  CHECK(azulb.upstream->server(1).eligible());
}

TEST_CASE("browsers get the dashboard, whose policy lets nothing else run or load; others the list") {
  AdminFixture azulb;
  CHECK(azulb.ask("GET", "/", {.accept = "*/*"}).content_type.starts_with("text/plain"));
  for (const auto& page :
       {azulb.ask("GET", "/", {.accept = "text/html,*/*;q=0.8"}), azulb.ask("GET", "/dashboard")}) {
    CHECK(page.content_type == "text/html; charset=utf-8");
    CHECK(page.body.starts_with("<!DOCTYPE html>"));
    CHECK(page.body.find("/*SCRIPT*/") == std::string::npos);
    CHECK(page.body.find("new EventSource") != std::string::npos);
    CHECK(page.body.find("http://") == page.body.find("http://www.w3.org/2000/svg"));
    CHECK(page.body.find("https://") == std::string::npos);
    const std::string policy = header(page, "Content-Security-Policy");
    CHECK(policy.starts_with("default-src 'none'; script-src 'sha256-"));
    CHECK(policy.find("unsafe") == std::string::npos);
    CHECK(policy.find("frame-ancestors 'none'") != std::string::npos);
  }
}

TEST_CASE("an event is one line with the state and the totals over all workers") {
  AdminFixture azulb;
  azulb.first_worker->listener(0).requests.add();
  azulb.second_worker->listener(0).requests.add();
  azulb.first_worker->route(0, 0).requests.add(200);
  azulb.second_worker->route(0, 1).requests.add(503);
  azulb.second_worker->route(0, 1).duration.observe(1'000'000);
  const auto reply = azulb.ask("GET", "/events");
  CHECK(reply.content_type == "text/event-stream");
  CHECK(reply.events);
  REQUIRE(reply.body.starts_with("data: {"));
  CHECK(reply.body.find('\n') == reply.body.size() - 2);
  const auto event = nlohmann::json::parse(reply.body.substr(6));
  CHECK(event["totals"]["requests"] == 2);
  CHECK(event["totals"]["server_errors"] == 1);
  std::uint64_t observed = 0;
  for (const auto& count : event["totals"]["duration"])
    observed += count.get<std::uint64_t>();
  CHECK(observed == 1);
  CHECK(event["totals"]["duration"].size() == event["totals"]["duration_bounds_ns"].size() + 1);
  CHECK(event["state"] == nlohmann::json::parse(azulb.ask("GET", "/state").body));
  CHECK(azulb.ask("GET", "/events", {.origin = "http://evil.example"}).status == 403);
}
