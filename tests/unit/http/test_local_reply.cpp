#include <doctest/doctest.h>

#include <string>

#include "azulb/http/local_reply.hpp"
#include "azulb/http/status.hpp"
#include "fixture.hpp"

using namespace azulb::http;

namespace {

std::string body(int status, std::string_view detail, std::string_view id, bool json) {
  char out[local_body_capacity];
  const LocalBody made = write_local_body(status, detail, id, json, out);
  CHECK(made.content_type == (json ? "application/json" : "text/plain; charset=utf-8"));
  REQUIRE(made.length <= sizeof out);
  return {out, made.length};
}

}  // namespace

TEST_CASE("Own replies are a line of text, or JSON") {
  CHECK(body(502, "", "", false) == "502 Bad Gateway\n");
  CHECK(body(400, "bare_lf", "x", false) == "400 Bad Request: bare_lf\n");
  CHECK(body(502, "", "", true) == "{\"status\":502,\"error\":\"Bad Gateway\"}\n");
  CHECK(body(503, "no server", "id-1", true) ==
        "{\"status\":503,\"error\":\"Service Unavailable\",\"detail\":\"no "
        "server\",\"request_id\":\"id-1\"}\n");
}

TEST_CASE("Hostile bytes in an own reply are harmless and bounded") {
  CHECK(body(400, "a\r\n\"<\xFF", "", false) == "400 Bad Request: a??\"<?\n");
  CHECK(body(400, "\"\\\n", "", true) ==
        "{\"status\":400,\"error\":\"Bad Request\",\"detail\":\"\\\"\\\\\\n\"}\n");
  const std::string longest(1000, '\x01');
  CHECK(body(431, longest, longest, true).ends_with("\"}\n"));
  CHECK(body(431, longest, longest, false).size() < 300);
}

TEST_CASE("JSON is for clients that accept only that") {
  const auto only_json = [](Lines lines) { return accepts_only_json(Request("GET", "/", lines).head); };
  CHECK_FALSE(only_json({}));
  CHECK_FALSE(only_json({{"Accept", ""}}));
  CHECK_FALSE(only_json({{"Accept", "*/*"}}));
  CHECK_FALSE(only_json({{"Accept", "text/html"}}));
  CHECK_FALSE(only_json({{"Accept", "application/json, text/plain, */*"}}));
  CHECK_FALSE(only_json({{"Accept", "application/json;q=0"}}));
  CHECK(only_json({{"Accept", "application/json"}}));
  CHECK(only_json({{"Accept", "Application/Problem+JSON; charset=utf-8"}}));
  CHECK(only_json({{"Accept", "application/json, */*;q=0.0"}}));
  CHECK_FALSE(only_json({{"Accept", "application/json"}, {"Accept", "text/*;q=0.1"}}));
}

TEST_CASE("Every status has a phrase") {
  CHECK(reason_phrase(431) == "Request Header Fields Too Large");
  CHECK(reason_phrase(299) == "Success");
  CHECK(reason_phrase(499) == "Client Error");
  CHECK(reason_phrase(599) == "Server Error");
}
