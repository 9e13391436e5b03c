#include "azulb/admin/handler.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "fixture.hpp"

using azulb::admin::AdminReply;
using azulb::admin::handle;
using azulb::test::AdminFixture;

namespace {

std::string header(const AdminReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace

TEST_CASE("each page is found, with and without a query, and has its type") {
  const AdminFixture azulb;
  const auto metrics = handle({"GET", "/metrics", ""}, azulb.sources);
  CHECK(metrics.status == 200);
  CHECK(metrics.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(metrics.body.find("\nazulb_process_open_fds ") != std::string::npos);
  const auto state = handle({"GET", "/state?pretty", ""}, azulb.sources);
  CHECK(state.content_type == "application/json");
  CHECK(nlohmann::json::accept(state.body));
  CHECK(handle({"GET", "/healthz", ""}, azulb.sources).body == "ok\n");
  CHECK(handle({"GET", "/readyz", ""}, azulb.sources).status == 200);
  const auto index = handle({"GET", "/", ""}, azulb.sources);
  CHECK(index.status == 200);
  for (const char* path : {"/metrics", "/state", "/healthz", "/readyz"}) {
    CHECK(index.body.find(path) != std::string::npos);
  }
}

TEST_CASE("HEAD gets what GET gets") {
  const AdminFixture azulb;
  const auto get = handle({"GET", "/healthz", ""}, azulb.sources);
  const auto head = handle({"HEAD", "/healthz", ""}, azulb.sources);
  CHECK(head.status == get.status);
  CHECK(head.body == get.body);
}

TEST_CASE("while draining azulb lives but is not ready") {
  AdminFixture azulb;
  azulb.sources.draining = true;
  CHECK(handle({"GET", "/healthz", ""}, azulb.sources).status == 200);
  const auto reply = handle({"GET", "/readyz", ""}, azulb.sources);
  CHECK(reply.status == 503);
  CHECK(reply.body == "draining\n");
}

TEST_CASE("an unknown path is 404 and lists the known ones") {
  const AdminFixture azulb;
  for (const char* target : {"/nothing", "", "metrics", "/metrics/", "/Metrics", "*"}) {
    const auto reply = handle({"GET", target, ""}, azulb.sources);
    CHECK(reply.status == 404);
    CHECK(reply.body.find("/metrics") != std::string::npos);
  }
}

TEST_CASE("pages cannot be written to") {
  const AdminFixture azulb;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
    const auto reply = handle({method, "/state", ""}, azulb.sources);
    CHECK(reply.status == 405);
    CHECK(header(reply, "Allow") == "GET, HEAD");
  }
}

TEST_CASE("with a token anything but reading needs it, and reading does not") {
  AdminFixture azulb;
  azulb.sources.token = "secret";
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer secre", "Bearer secreT", "Bearer secrets",
                            "Basic secret", "secret", "Bearer  secret"}) {
    const auto reply = handle({"POST", "/state", wrong}, azulb.sources);
    CHECK(reply.status == 401);
    CHECK(header(reply, "WWW-Authenticate") == "Bearer realm=\"azulb\"");
    CHECK(reply.body.find("secret") == std::string::npos);
  }
  CHECK(handle({"POST", "/state", "Bearer secret"}, azulb.sources).status == 405);
  CHECK(handle({"POST", "/state", "bearer secret"}, azulb.sources).status == 405);
  CHECK(handle({"GET", "/state", ""}, azulb.sources).status == 200);
}
