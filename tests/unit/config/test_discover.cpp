// [upstream.NAME.discover]
#include "support.hpp"

using namespace azulb::config;
using namespace azulb::config::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kHead = "listener.http.address = ':8080'\n[upstream.app]\n";

std::string fault_of(const std::string& text) {
  return only_fault(kHead + text);
}

}  // namespace

TEST_CASE("what is to be discovered stands beside servers, or instead of them") {
  const Config config = loaded(std::string(kHead) +
                               "discover = { dns = 'app.internal:3000', resolver = '127.0.0.1:5353', "
                               "min_ttl = '250ms', file = '/run/servers.json' }");
  CHECK(config.upstreams[0].servers.empty());
  CHECK(config.upstreams[0].discover ==
        Discover{"app.internal:3000", "127.0.0.1:5353", 250ms, "/run/servers.json"});
  CHECK(!config.upstreams[0].discover->dns_is_service());
  CHECK(loaded(kLeast).upstreams[0].discover == std::nullopt);
  for (const char* text :
       {"servers = ['app:1']\ndiscover = {}", "servers = []\ndiscover.file = '/a'",
        "discover.dns = '_http._tcp.app.internal'", "discover.dns = 'app.internal.:3000'"}) {
    CAPTURE(text);
    CHECK(fault_of(text).empty());
  }
}

TEST_CASE("a resolver's port is 53 where none is written") {
  const auto resolver = [](const std::string& text) {
    return loaded(std::string(kHead) + "discover = { dns = 'a:1', resolver = '" + text + "' }")
        .upstreams[0]
        .discover->resolver;
  };
  CHECK(resolver("127.0.0.1") == "127.0.0.1:53");
  CHECK(resolver("::1") == "[::1]:53");
  CHECK(resolver("[::1]:5353") == "[::1]:5353");
  CHECK(resolver("").empty());
}

TEST_CASE("what cannot be discovered is told with its place") {
  CHECK(fault_of("discover = {}") ==
        "3:1 upstream.app.discover: there is nothing to discover: set dns or file, or add servers to the "
        "upstream");
  CHECK(fault_of("servers = []").ends_with("an upstream needs at least one server"));
  const auto dns = [](const std::string& value) { return fault_of("discover.dns = '" + value + "'"); };
  CHECK(dns("app.internal").starts_with("3:16 upstream.app.discover.dns: "));
  CHECK(dns("app.internal:0").ends_with("\"app.internal:0\" needs a port from 1 to 65535"));
  CHECK(dns("app.internal:70000").starts_with("3:16 upstream.app.discover.dns: "));
  CHECK(dns("127.0.0.1:3000").ends_with("is no name to look up: it belongs to servers"));
  CHECK(dns("unix:/run/app").ends_with("is no name to look up: it belongs to servers"));
  CHECK(dns("a b:3000").ends_with("\"a b\" is not a host name"));
  CHECK(dns("_http._tcp.app:80").ends_with("SRV records bring their ports along: leave \":80\" out"));
  for (const char* name : {"_http._udp.app", "_http", "_._tcp.app", "_http._tcp.", "_http._tcp.a..b"}) {
    CAPTURE(name);
    CHECK(dns(name).ends_with("is not the name of a service over TCP"));
  }
  CHECK(fault_of("discover = { dns = 'a:1', resolver = 'ns.internal:53' }")
            .ends_with("a resolver is an address, not \"ns.internal:53\""));
  CHECK(fault_of("discover = { dns = 'a:1', min_ttl = '1ms' }")
            .starts_with("3:37 upstream.app.discover.min_ttl"));
  CHECK(fault_of("discover = { dsn = 'a:1', file = '/a' }") ==
        "3:14 upstream.app.discover.dsn: unknown key \"dsn\" [dns]");
}
