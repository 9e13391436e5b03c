#include <doctest/doctest.h>

#include <string>

#include "azulb/http/framing.hpp"
#include "azulb/http/upgrade.hpp"
#include "fixture.hpp"

using namespace azulb::http;

namespace {

constexpr const char* key = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 section 1.3

Defect handshake(std::string_view used_key, std::string_view version) {
  RequestInfo info;
  return judge_request(Request("GET", "/ws",
                               {{"Host", "a"},
                                {"Connection", "keep-alive, Upgrade"},
                                {"Upgrade", "WebSocket"},
                                {"Sec-WebSocket-Key", used_key},
                                {"Sec-WebSocket-Version", version}})
                           .head,
                       info);
}

std::string upgrade_of(std::string_view method, Lines lines, int minor = 1) {
  RequestInfo info;
  CHECK(judge_request(Request(method, "/", lines, minor).head, info) == Defect::none);
  return std::string(info.upgrade);
}

}  // namespace

TEST_CASE("A WebSocket handshake has version 13 and a key of 16 bytes") {
  CHECK(handshake(key, "13") == Defect::none);
  CHECK(handshake(key, "8") == Defect::websocket_version);
  CHECK(handshake(key, "13, 8") == Defect::websocket_version);
  CHECK(handshake(key, "") == Defect::websocket_version);
  CHECK(defect_status(Defect::websocket_version) == 426);
  for (const char* bad :
       {"", "short", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25j*Q==", "dGhlIHNhbXBsZSBub25jZQQ=", "dGhlIHNhbXBsZSBub25jZQQQ",
        "dGhlIHNhbXBsZSBub25jZQ==dGhl", "dGhl-HNhbXBsZSBub25jZQ=="}) {
    CAPTURE(bad);
    CHECK(handshake(bad, "13") == Defect::websocket_bad_key);
  }
  RequestInfo info;
  CHECK(judge_request(
            Request("GET", "/", {{"Host", "a"}, {"Connection", "upgrade"}, {"Upgrade", "websocket"}}).head,
            info) == Defect::websocket_version);
  CHECK(judge_request(Request("GET", "/",
                              {{"Host", "a"},
                               {"Connection", "upgrade"},
                               {"Upgrade", "websocket"},
                               {"Sec-WebSocket-Version", "13"},
                               {"Sec-WebSocket-Key", key},
                               {"Sec-WebSocket-Key", key}})
                          .head,
                      info) == Defect::websocket_bad_key);
}

TEST_CASE("What is not asked for in the right way goes on as an ordinary request") {
  CHECK(upgrade_of("GET", {{"Host", "a"}, {"Upgrade", "websocket"}}).empty());
  CHECK(upgrade_of("GET", {{"Host", "a"}, {"Connection", "upgrade"}}).empty());
  CHECK(upgrade_of("POST", {{"Host", "a"}, {"Connection", "upgrade"}, {"Upgrade", "websocket"}}).empty());
  CHECK(upgrade_of("GET", {{"Connection", "upgrade"}, {"Upgrade", "websocket"}}, 0).empty());
  CHECK(upgrade_of(
            "GET",
            {{"Host", "a"}, {"Connection", "upgrade"}, {"Upgrade", "websocket"}, {"Content-Length", "1"}})
            .empty());
  for (const char* protocol : {"h2c", "H2C", "h2", "HTTP/2.0", "TLS/1.0", "a, b", "a b", "", "a/", "/b"}) {
    CAPTURE(protocol);
    CHECK(upgrade_of("GET", {{"Host", "a"}, {"Connection", "upgrade"}, {"Upgrade", protocol}}).empty());
  }
  CHECK(upgrade_of("GET", {{"Host", "a"}, {"Connection", "upgrade"}, {"Upgrade", "mine/2"}}) == "mine/2");
}

TEST_CASE("The accept value is that of RFC 6455") {
  const auto accept = websocket_accept(key);
  CHECK(std::string(accept.data(), accept.size()) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("A switch is taken only as the answer to what was asked") {
  const auto check = [](std::string_view asked, Lines lines, int minor = 1) {
    return check_upgrade_response(Response(101, lines, minor).head, asked, asked == "websocket" ? key : "");
  };
  constexpr const char* accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  const auto good = {std::pair<std::string_view, std::string_view>{"Connection", "upgrade"},
                     {"Upgrade", "WebSocket"},
                     {"Sec-WebSocket-Accept", accept}};
  CHECK(check("websocket", good) == Defect::none);
  CHECK(check("websocket", good, 0) == Defect::bad_upgrade_response);
  CHECK(check("", good) == Defect::bad_upgrade_response);
  CHECK(check("other", good) == Defect::bad_upgrade_response);
  CHECK(check("other", {{"Connection", "upgrade"}, {"Upgrade", "other"}}) == Defect::none);
  CHECK(check("websocket", {{"Connection", "upgrade"}, {"Upgrade", "websocket"}}) ==
        Defect::bad_upgrade_response);
  CHECK(check("websocket",
              {{"Connection", "keep-alive"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Accept", accept}}) ==
        Defect::bad_upgrade_response);
  CHECK(check("websocket", {{"Connection", "upgrade"}, {"Sec-WebSocket-Accept", accept}}) ==
        Defect::bad_upgrade_response);
  CHECK(check("websocket", {{"Connection", "upgrade"},
                            {"Upgrade", "websocket"},
                            {"Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}) ==
        Defect::bad_upgrade_response);
  CHECK(check("websocket", {{"Connection", "upgrade"},
                            {"Upgrade", "websocket"},
                            {"Sec-WebSocket-Accept", accept},
                            {"Sec-WebSocket-Accept", accept}}) == Defect::bad_upgrade_response);
  CHECK(check("websocket", {{"Connection", "upgrade"},
                            {"Upgrade", "websocket"},
                            {"Sec-WebSocket-Accept", accept},
                            {"Content-Length", "3"}}) == Defect::bad_upgrade_response);
}
