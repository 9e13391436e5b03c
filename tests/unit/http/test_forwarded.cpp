#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "azulb/http/forwarded.hpp"
#include "fixture.hpp"

using namespace azulb::http;
using azulb::base::IpAddress;
using azulb::base::Network;

namespace {

std::uint64_t counting_random(void* context) {
  return ++*static_cast<std::uint64_t*>(context);
}

struct Listener {
  explicit Listener(const char* peer) {
    facts.peer = *IpAddress::parse(peer);
    facts.port = 8080;
    trusted.push_back(*Network::parse("10.0.0.0/8"));
    trusted.push_back(*Network::parse("fd00::/8"));
    facts.trusted_proxies = trusted;
  }
  void judge(Request& request) {
    REQUIRE(judge_request(request.head, info) == Defect::none);
    judge_forwarded(facts, request.head, info, counting_random, &random, values);
  }

  std::vector<Network> trusted;
  ConnectionFacts facts;
  RequestInfo info;
  ForwardedValues values;
  std::uint64_t random = 0;
};

std::string client_of(Lines lines, const char* peer = "10.0.0.1") {
  Listener listener(peer);
  Request request("GET", "/", lines);
  listener.judge(request);
  CHECK(*IpAddress::parse(listener.values.client_ip) == listener.values.client);
  return std::string(listener.values.client_ip);
}

}  // namespace

TEST_CASE("A stranger's claims are discarded") {
  Listener listener("192.0.2.7");
  Request request("GET", "/",
                  {{"Host", "app.example:8080"},
                   {"X-Forwarded-For", "1.2.3.4"},
                   {"X-Forwarded-Proto", "https"},
                   {"X-Forwarded-Host", "evil"},
                   {"X-Forwarded-Port", "1"},
                   {"X-Forwarded-Server", "evil"},
                   {"X-Real-IP", "1.2.3.4"},
                   {"X-Client-IP", "1.2.3.4"},
                   {"Forwarded", "for=1.2.3.4"},
                   {"REMOTE_ADDR", "1.2.3.4"},
                   {"Remote-Addr", "1.2.3.4"},
                   {"X_Forwarded_For", "1.2.3.4"},
                   {"X_Real_IP", "1.2.3.4"},
                   {"User-Agent", "x"}});
  listener.judge(request);
  for (const Field& field : request.head.fields) {
    const bool kept = field.name == "User-Agent" || field.name == "Host";
    CAPTURE(field.name);
    CHECK(field.drop == !kept);
  }
  const ForwardedValues& values = listener.values;
  CHECK_FALSE(values.peer_trusted);
  CHECK(values.client_ip == "192.0.2.7");
  CHECK(values.peer_ip == "192.0.2.7");
  CHECK(values.proto == "http");
  CHECK(values.host == "app.example:8080");
  CHECK(values.port == "8080");
}

TEST_CASE("A trusted proxy's claims are believed where they are valid") {
  Listener listener("10.1.2.3");
  Request request("GET", "/",
                  {{"Host", "inner"},
                   {"X-Forwarded-For", "1.2.3.4"},
                   {"X-Forwarded-Proto", "HTTPS"},
                   {"X-Forwarded-Host", "outer.example"},
                   {"X-Forwarded-Port", "443"},
                   {"X-Forwarded-Server", "edge"},
                   {"X-Client-IP", "1.2.3.4"},
                   {"Forwarded", "for=1.2.3.4"},
                   {"X_Forwarded_For", "6.6.6.6"},
                   {"REMOTE_ADDR", "6.6.6.6"}});
  listener.judge(request);
  CHECK(listener.values.peer_trusted);
  CHECK(listener.values.client_ip == "1.2.3.4");
  CHECK(listener.values.peer_ip == "10.1.2.3");
  CHECK(listener.values.proto == "https");
  CHECK(listener.values.host == "outer.example");
  CHECK(listener.values.port == "443");
  for (const char* name : {"X-Forwarded-Server", "X-Client-IP", "Forwarded"}) {
    CHECK_FALSE(dropped(request.head.fields, name));
  }
  CHECK(dropped(request.head.fields, "X_Forwarded_For"));
  CHECK(dropped(request.head.fields, "REMOTE_ADDR"));
}

TEST_CASE("A trusted proxy's invalid claims are replaced by what azulb knows") {
  Listener listener("10.1.2.3");
  listener.facts.tls = true;
  Request request("GET", "/",
                  {{"Host", "inner"},
                   {"X-Forwarded-Proto", "gopher"},
                   {"X-Forwarded-Host", "a b"},
                   {"X-Forwarded-Port", "99999"}});
  listener.judge(request);
  CHECK(listener.values.proto == "https");
  CHECK(listener.values.host == "inner");
  CHECK(listener.values.port == "8080");
}

TEST_CASE("The client is the rightmost address that is not trusted") {
  CHECK(client_of({{"Host", "a"}}) == "10.0.0.1");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1, 2.2.2.2"}}) == "2.2.2.2");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1, 2.2.2.2, 10.9.9.9"}}) == "2.2.2.2");
  CHECK(
      client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-For", "2.2.2.2,,10.9.9.9 "}}) ==
      "2.2.2.2");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-For", "10.9.9.9"}}) ==
        "1.1.1.1");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "10.3.3.3, 10.4.4.4"}}) == "10.3.3.3");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1, unknown"}}) == "10.0.0.1");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1, unknown, 10.2.2.2"}}) == "10.2.2.2");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1, 1.1.1.256"}}) == "10.0.0.1");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1:5555"}}) == "1.1.1.1");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "[2001:db8::1]:5555"}}) == "2001:db8::1");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "2001:DB8::1"}}) ==
        "2001:DB8::1");  // as it was written
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "2001:db8::1, fd00::5"}}) == "2001:db8::1");
  CHECK(client_of({{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1"}}, "192.0.2.1") == "192.0.2.1");
}

TEST_CASE("A valid request id is passed on, anything else is replaced by a new one") {
  const auto id_for = [](Lines lines) {
    Listener listener("192.0.2.7");
    Request request("GET", "/", lines);
    listener.judge(request);
    return std::string(listener.values.request_id);
  };
  const std::string made = "00000000000000010000000000000002";
  CHECK(id_for({{"Host", "a"}}) == made);
  CHECK(id_for({{"Host", "a"}, {"X-Request-ID", "abc-1.2:3/4+5=6@7_8"}}) == "abc-1.2:3/4+5=6@7_8");
  const std::string longest(max_request_id_length, 'x');
  CHECK(id_for({{"Host", "a"}, {"X-Request-ID", longest}}) == longest);
  CHECK(id_for({{"Host", "a"}, {"X-Request-ID", longest + "x"}}) == made);
  for (const char* id : {"", "a b", "a\tb", "a\"b", "a,b", "a;b", "\xC3\xA4", "a<b"}) {
    CHECK(id_for({{"Host", "a"}, {"X-Request-ID", id}}) == made);
  }
  CHECK(id_for({{"Host", "a"}, {"X-Request-ID", "a"}, {"X-Request-ID", "b"}}) == made);
}
