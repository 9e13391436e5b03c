#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fixture.hpp"

using azulb::admin::AdminReply;
using azulb::admin::ReloadFailure;
using azulb::admin::ReloadOutcome;
using azulb::admin::ReloadReport;
using azulb::config::Change;
using azulb::test::AdminFixture;
using nlohmann::json;

namespace {

/// What the client gets once the reload has come to this outcome.
AdminReply reply_to(const ReloadOutcome& outcome) {
  AdminFixture azulb;
  const AdminReply asked = azulb.ask("POST", "/reload");
  REQUIRE(asked.later);
  std::optional<AdminReply> reply;
  asked.later([&reply](AdminReply late) { reply = std::move(late); });
  CHECK_FALSE(reply);  // it waits for the outcome
  REQUIRE(azulb.reloads.size() == 1);
  azulb.reloads.front()(outcome);
  REQUIRE(reply);
  return *reply;
}

}  // namespace

TEST_CASE("a reload's reply is its report, with all headers of a reply that comes at once") {
  const AdminReply reply = reply_to(ReloadReport{
      .changes = {{.kind = Change::Kind::added, .what = "route", .name = "api", .keys = {}},
                  {.kind = Change::Kind::changed, .what = "listener", .name = "http", .keys = {"backlog"}}}});
  CHECK(reply.status == 200);
  const json answer = json::parse(reply.body);
  CHECK(answer["changed"] == true);
  CHECK(answer["changes"].size() == 2);
  CHECK(answer["changes"][0]["kind"] == "added");
  CHECK(answer["changes"][1] == json{{"kind", "changed"},
                                     {"what", "listener"},
                                     {"name", "http"},
                                     {"keys", {"backlog"}},
                                     {"text", "listener http: changed (backlog)"}});
  CHECK(reply.headers == AdminFixture().ask("GET", "/healthz").headers);
}

TEST_CASE("a reload that changed nothing says so") {
  const json answer = json::parse(reply_to(ReloadReport{}).body);
  CHECK(answer["changed"] == false);
  CHECK(answer["changes"].empty());
}

TEST_CASE("a reload that found errors replies with all of them, in pieces and as text") {
  ReloadFailure failure;
  failure.diagnostics = {{.source = "azulb.toml",
                          .line = 2,
                          .column = 1,
                          .key = "listener.http",
                          .message = "unknown key \"adress\"",
                          .line_text = "adress = 1",
                          .suggestion = "address",
                          .hint = ""},
                         {.source = "azulb.toml",
                          .line = 5,
                          .column = 3,
                          .key = "",
                          .message = "syntax",
                          .line_text = "",
                          .suggestion = "",
                          .hint = ""}};
  const AdminReply reply = reply_to(tl::unexpected(failure));
  CHECK(reply.status == 422);
  const json answer = json::parse(reply.body);
  CHECK(answer["error"] == "the configuration has 2 errors: all goes on as it was");
  REQUIRE(answer["diagnostics"].size() == 2);
  CHECK(answer["diagnostics"][0]["line"] == 2);
  CHECK(answer["diagnostics"][0]["suggestion"] == "address");
  CHECK(answer["diagnostics"][1]["message"] == "syntax");
  CHECK(answer["text"] == failure.text());
}

TEST_CASE("a reload that failed for another reason replies with that") {
  const AdminReply reply = reply_to(tl::unexpected(ReloadFailure{{}, "cannot listen on 127.0.0.1:80"}));
  CHECK(reply.status == 409);
  CHECK(json::parse(reply.body)["error"] == "cannot listen on 127.0.0.1:80");
}

TEST_CASE("an upgrade's reply says who serves, or why all goes on") {
  AdminFixture azulb;
  std::vector<AdminReply> replies;
  for (int turn = 0; turn < 2; ++turn)
    azulb.ask("POST", "/upgrade").later([&replies](AdminReply reply) {
      replies.push_back(std::move(reply));
    });
  REQUIRE(azulb.upgrades.size() == 2);
  azulb.upgrades[0](azulb::admin::UpgradeReport{.process = 12, .previous = 11});
  azulb.upgrades[1](
      tl::unexpected(azulb::admin::UpgradeFailure{"it ended with status 1", "a.toml: error\n"}));
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].status == 200);
  CHECK(json::parse(replies[0].body) == json{{"process", 12}, {"previous", 11}});
  CHECK(replies[1].status == 409);
  CHECK(json::parse(replies[1].body) ==
        json{{"error", "it ended with status 1"}, {"text", "a.toml: error\n"}});
}

TEST_CASE("a reload is a change: it needs the token and JSON, and takes no keys") {
  AdminFixture azulb;
  CHECK(azulb.ask("GET", "/reload").status == 405);
  CHECK(azulb.ask("POST", "/reload", {.content_type = "text/plain"}).status == 415);
  CHECK(azulb.ask("POST", "/reload", {.body = R"({"force": true})"}).status == 400);
  azulb.sources.token = "secret";
  CHECK(azulb.ask("POST", "/reload").status == 401);
  CHECK(azulb.ask("POST", "/reload", {.authorization = "Bearer secret"}).later);
  CHECK(azulb.reloads.empty());
}
