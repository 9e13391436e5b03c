#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "azulb/http/framing.hpp"
#include "fixture.hpp"

using namespace azulb::http;

namespace {

Defect judge(const Request& request) {
  RequestInfo info;
  return judge_request(request.head, info);
}

}  // namespace

TEST_CASE("Content-Length is digits up to 2^63 - 1 and nothing else") {
  const std::vector<std::pair<std::string, bool>> cases = {{"0", true},
                                                           {"5", true},
                                                           {"007", true},
                                                           {"9223372036854775807", true},
                                                           {"9223372036854775808", false},
                                                           {"", false},
                                                           {"+5", false},
                                                           {"-5", false},
                                                           {"5,5", false},
                                                           {"5, 5", false},
                                                           {"5 ", false},
                                                           {" 5", false},
                                                           {"0x5", false},
                                                           {"5a", false},
                                                           {"99999999999999999999", false},
                                                           {"1e3", false},
                                                           {"5.0", false},
                                                           {"\xD9\xA3", false}};
  for (const auto& [text, good] : cases) {
    CAPTURE(text);
    const Request request("POST", "/", {{"Host", "a"}, {"Content-Length", text}});
    CHECK(judge(request) == (good ? Defect::none : Defect::bad_content_length));
  }
}

TEST_CASE("A request's body is none, of a length, or chunked") {
  RequestInfo info;
  CHECK(judge_request(Request("GET", "/", {{"Host", "a"}}).head, info) == Defect::none);
  CHECK(info.body == BodyKind::none);
  CHECK(judge_request(Request("POST", "/", {{"Host", "a"}, {"Content-Length", "42"}}).head, info) ==
        Defect::none);
  CHECK(info.body == BodyKind::length);
  CHECK(info.content_length == 42);
  CHECK(judge_request(Request("POST", "/", {{"Host", "a"}, {"Transfer-Encoding", "Chunked"}}).head, info) ==
        Defect::none);
  CHECK(info.body == BodyKind::chunked);
}

TEST_CASE("Framing that two parsers could read differently is refused") {
  CHECK(judge(Request("POST", "/",
                      {{"Host", "a"}, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}})) ==
        Defect::length_and_transfer_encoding);
  CHECK(judge(Request("POST", "/",
                      {{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "0"}})) ==
        Defect::length_and_transfer_encoding);
  CHECK(judge(Request("POST", "/", {{"Host", "a"}, {"Content-Length", "5"}, {"Content-Length", "6"}})) ==
        Defect::repeated_content_length);
  CHECK(judge(Request("POST", "/", {{"Host", "a"}, {"Content-Length", "5"}, {"Content-Length", "5"}})) ==
        Defect::repeated_content_length);
  CHECK(judge(Request("POST", "/", {{"Transfer-Encoding", "chunked"}}, 0)) ==
        Defect::transfer_encoding_in_http10);
  for (const char* value : {"", "gzip", "identity", "gzip, chunked", "chunked, chunked", "chunked,",
                            "xchunked", "chunked;q=1", "\"chunked\"", "chunked\x0B", "chunk"}) {
    CAPTURE(value);
    CHECK(judge(Request("POST", "/", {{"Host", "a"}, {"Transfer-Encoding", value}})) ==
          Defect::bad_transfer_encoding);
  }
  CHECK(judge(Request("POST", "/",
                      {{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}})) ==
        Defect::bad_transfer_encoding);
}

TEST_CASE("An underscore twin of a framing field frames nothing") {
  RequestInfo info;
  const Request request("POST", "/",
                        {{"Host", "a"}, {"Content_Length", "5"}, {"Transfer_Encoding", "chunked"}});
  CHECK(judge_request(request.head, info) == Defect::none);
  CHECK(info.body == BodyKind::none);
}

TEST_CASE("Host is required once and well formed") {
  CHECK(judge(Request("GET", "/", {})) == Defect::missing_host);
  CHECK(judge(Request("GET", "http://a/", {})) == Defect::missing_host);
  CHECK(judge(Request("GET", "/", {}, 0)) == Defect::none);  // RFC 9112 section 3.2 asks it of HTTP/1.1
  CHECK(judge(Request("GET", "/", {{"Host", "a"}, {"Host", "a"}})) == Defect::repeated_host);
  CHECK(judge(Request("GET", "/", {{"Host", "a"}, {"host", "b"}})) == Defect::repeated_host);
  for (const char* host :
       {"",         "a b",  "a,b", "a/b",    "a@b",       "u:p@a", "a:b", "a:99999", "a:-1",
        "a:1:2",    "[::1", "::1", "[::1]x", "[1.2.3.4]", "[::g]", "a?b", "a#b",     "a\\b",
        "http://a", "%zz",  "a%2", "a;b",    "\xC3\xA4",  ":80",   "a\tb"}) {
    CAPTURE(host);
    CHECK(judge(Request("GET", "/", {{"Host", host}})) == Defect::bad_host);
    CHECK(judge(Request("GET", "http://good/", {{"Host", host}})) == Defect::bad_host);
    CHECK(judge(Request("GET", "/", {{"Host", host}}, 0)) == Defect::bad_host);
  }
}

TEST_CASE("The authority is Host's, or the absolute-form's where there is one") {
  RequestInfo info;
  CHECK(judge_request(Request("GET", "/x", {{"Host", "[::1]:81"}}).head, info) == Defect::none);
  CHECK(info.host == "[::1]:81");
  CHECK(info.authority.host == "[::1]");
  CHECK(info.authority.port == "81");
  CHECK(judge_request(Request("GET", "http://b:80/x?y", {{"Host", "a"}}).head, info) == Defect::none);
  CHECK(info.host == "b:80");
  CHECK(info.authority.host == "b");
  CHECK(info.target.path == "/x");
  CHECK(info.target.query == "?y");
}

TEST_CASE("CONNECT and TRACE are 405, whatever their target") {
  CHECK(judge(Request("CONNECT", "a:443", {{"Host", "a"}})) == Defect::method_not_allowed);
  CHECK(judge(Request("TRACE", "/", {{"Host", "a"}})) == Defect::method_not_allowed);
  CHECK(defect_status(Defect::method_not_allowed) == 405);
}

TEST_CASE("A connection persists as its version and Connection say") {
  const auto keeps = [](int minor, Lines lines) {
    RequestInfo info;
    CHECK(judge_request(Request("GET", "/", lines, minor).head, info) == Defect::none);
    return info.keep_alive;
  };
  CHECK(keeps(1, {{"Host", "a"}}));
  CHECK(keeps(1, {{"Host", "a"}, {"Connection", "Keep-Alive"}}));
  CHECK_FALSE(keeps(1, {{"Host", "a"}, {"Connection", "close"}}));
  CHECK_FALSE(keeps(1, {{"Host", "a"}, {"Connection", "keep-alive"}, {"Connection", "x, CLOSE"}}));
  CHECK_FALSE(keeps(0, {}));
  CHECK(keeps(0, {{"Connection", "keep-alive"}}));
  CHECK_FALSE(keeps(0, {{"Connection", "keep-alive, close"}}));
}

TEST_CASE("Expect is 100-continue or 417") {
  RequestInfo info;
  CHECK(judge_request(
            Request("PUT", "/", {{"Host", "a"}, {"Expect", "100-Continue"}, {"Content-Length", "1"}}).head,
            info) == Defect::none);
  CHECK(info.expect_continue);
  CHECK(judge_request(Request("GET", "/", {{"Host", "a"}, {"Expect", "100-continue"}}).head, info) ==
        Defect::none);
  CHECK_FALSE(info.expect_continue);  // no body to wait for
  CHECK(judge_request(Request("PUT", "/", {{"Expect", "100-continue"}, {"Content-Length", "1"}}, 0).head,
                      info) == Defect::none);
  CHECK_FALSE(info.expect_continue);
  CHECK(judge(Request("PUT", "/", {{"Host", "a"}, {"Expect", "miracle"}})) == Defect::bad_expect);
  CHECK(judge(Request("PUT", "/", {{"Host", "a"}, {"Expect", "miracle"}, {"Expect", "100-continue"}})) ==
        Defect::bad_expect);
}

TEST_CASE("A request is idempotent by its method, unless its query overrides it") {
  const auto idempotent = [](std::string_view method, std::string_view target) {
    RequestInfo info;
    CHECK(judge_request(Request(method, target, {{"Host", "a"}}).head, info) == Defect::none);
    return info.idempotent;
  };
  for (const char* method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
    CHECK(idempotent(method, "/"));
  for (const char* method : {"POST", "PATCH", "get", "PROPFIND", "GETX"})
    CHECK_FALSE(idempotent(method, "/"));
  CHECK_FALSE(idempotent("GET", "/?_method=delete"));
  CHECK_FALSE(idempotent("GET", "http://a?x=1&%5Fmethod=delete"));
  CHECK(idempotent("GET", "/?x=_method"));
}

TEST_CASE("A response's body follows its status and the request's method") {
  struct Case {
    Response response;
    Method method;
    BodyKind body;
    BodyKind announced;
    bool keep_alive;
  };
  const Case cases[] = {
      {{200, {{"Content-Length", "5"}}}, Method::get, BodyKind::length, BodyKind::length, true},
      {{200, {{"Content-Length", "5"}}}, Method::head, BodyKind::none, BodyKind::length, true},
      {{200, {{"Transfer-Encoding", "chunked"}}}, Method::get, BodyKind::chunked, BodyKind::chunked, true},
      {{200, {{"Transfer-Encoding", "chunked"}}}, Method::head, BodyKind::none, BodyKind::chunked, true},
      {{200, {}}, Method::get, BodyKind::until_close, BodyKind::until_close, false},
      {{200, {}}, Method::head, BodyKind::none, BodyKind::none, true},
      {{304, {{"Content-Length", "5"}}}, Method::get, BodyKind::none, BodyKind::length, true},
      {{304, {}}, Method::get, BodyKind::none, BodyKind::none, true},
      {{204, {}}, Method::get, BodyKind::none, BodyKind::none, true},
      {{204, {{"Content-Length", "0"}}}, Method::get, BodyKind::none, BodyKind::none, true},
      {{204, {{"Content-Length", "5"}}}, Method::get, BodyKind::none, BodyKind::none, false},
      {{204, {{"Transfer-Encoding", "chunked"}}}, Method::get, BodyKind::none, BodyKind::none, false},
      {{100, {}}, Method::post, BodyKind::none, BodyKind::none, true},
      {{200, {{"Content-Length", "5"}}, 0}, Method::get, BodyKind::length, BodyKind::length, false},
      {{200, {{"Content-Length", "5"}, {"Connection", "keep-alive"}}, 0},
       Method::get,
       BodyKind::length,
       BodyKind::length,
       true},
      {{200, {{"Content-Length", "5"}, {"Connection", "close"}}},
       Method::get,
       BodyKind::length,
       BodyKind::length,
       false},
  };
  for (const Case& item : cases) {
    CAPTURE(&item - cases);
    ResponseInfo info;
    CHECK(judge_response(item.response.head, item.method, info) == Defect::none);
    CHECK(info.body == item.body);
    CHECK(info.announced == item.announced);
    CHECK(info.keep_alive == item.keep_alive);
  }
}

TEST_CASE("Interim responses and the switch are told apart") {
  ResponseInfo info;
  CHECK(judge_response(Response(103, {}).head, Method::get, info) == Defect::none);
  CHECK(info.interim);
  CHECK_FALSE(info.switching);
  CHECK(judge_response(Response(101, {}).head, Method::get, info) == Defect::none);
  CHECK_FALSE(info.interim);
  CHECK(info.switching);
}

TEST_CASE("A response with doubtful framing is invalid") {
  const auto verdict = [](const Response& response) {
    ResponseInfo info;
    return judge_response(response.head, Method::get, info);
  };
  CHECK(verdict({200, {{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}}) ==
        Defect::length_and_transfer_encoding);
  CHECK(verdict({200, {{"Content-Length", "5"}, {"Content-Length", "5"}}}) ==
        Defect::repeated_content_length);
  CHECK(verdict({200, {{"Content-Length", "+5"}}}) == Defect::bad_content_length);
  CHECK(verdict({304, {{"Content-Length", "five"}}}) == Defect::bad_content_length);
  CHECK(verdict({200, {{"Transfer-Encoding", "gzip, chunked"}}}) == Defect::bad_transfer_encoding);
  CHECK(verdict({200, {{"Transfer-Encoding", "chunked"}}, 0}) == Defect::transfer_encoding_in_http10);
}

TEST_CASE("The Keep-Alive hint is read in seconds") {
  const auto hint = [](std::string_view value) {
    ResponseInfo info;
    const Response response(200, {{"Content-Length", "0"}, {"Keep-Alive", value}});
    CHECK(judge_response(response.head, Method::get, info) == Defect::none);
    return info.keep_alive_timeout_s;
  };
  CHECK(hint("timeout=5, max=100") == 5);
  CHECK(hint("max=100,Timeout=7") == 7);
  CHECK(hint("timeout=") == 0);
  CHECK(hint("timeout=x") == 0);
  CHECK(hint("timeout=99999999999") == 0xFFFFFFFFU);
}
