// What a valid configuration becomes.
#include <doctest/doctest.h>

#include <string>

#include "support.hpp"

using namespace azulb::config;
using namespace azulb::config::test;
using namespace std::chrono_literals;

TEST_CASE("the least configuration has every default") {
  const Config config = loaded(kLeast);
  Process process;
  process.workers = 4;
  CHECK(config.process == process);
  CHECK(config.log == Log{});
  CHECK(config.access_log == AccessLog{});
  CHECK_FALSE(config.admin.has_value());
  REQUIRE(config.listeners.size() == 1);
  CHECK(config.listeners[0].timeout == ListenerTimeout{});
  CHECK(config.listeners[0].limit == ListenerLimit{});
  REQUIRE(config.upstreams.size() == 1);
  Upstream upstream;
  upstream.name = "app";
  upstream.servers = {Server{"127.0.0.1:3000", {"127.0.0.1", 3000, false}, 1}};
  CHECK(config.upstreams[0] == upstream);
  CHECK(config.source == "test.toml");
}

TEST_CASE("without a route everything goes to the only upstream") {
  for (const std::string& text : {std::string(kLeast), "route = []\n" + std::string(kLeast)}) {
    const Config config = loaded(text);
    Route route;
    route.name = "default";
    route.upstream = "app";
    REQUIRE(config.routes.size() == 1);
    CHECK(config.routes[0] == route);
  }
}

TEST_CASE("listeners, upstreams and routes keep the order of the file") {
  const Config config = loaded(
      "[listener.z]\naddress = ':1'\n[listener.a]\naddress = [':2', 'unix:/run/a.sock']\n"
      "[upstream.z]\nservers = ['a:1']\n[upstream.a]\nservers = ['a:1']\n"
      "[[route]]\nhost = 'B.example.COM'\nupstream = 'a'\n[[route]]\nrespond = {}\n");
  CHECK(config.listeners[0].name == "z");
  CHECK(config.listeners[1].address[1].text() == "unix:/run/a.sock");
  CHECK(config.upstreams[0].name == "z");
  CHECK(config.routes[0].name == "route-1");
  CHECK(config.routes[0].host == std::vector<std::string>{"b.example.com"});
  CHECK(config.routes[1].name == "route-2");
  CHECK(config.routes[1].respond == Respond{});
}

TEST_CASE("the environment fills strings wherever they stand") {
  const Config config = loaded(
      "listener.http.address = '${HOST:-127.0.0.1}:${PORT}'\n"
      "upstream.app.servers = ['${EMPTY:-app}${EMPTY}:3000']\n",
      world({{"PORT", "81"}, {"EMPTY", ""}}));
  CHECK(config.listeners[0].address[0].text() == "127.0.0.1:81");
  CHECK(config.upstreams[0].servers[0].name == "app:3000");
}

TEST_CASE("a redirect keeps the request's variables and fills the others") {
  const Config config = loaded(std::string(kLeast) +
                                   "[[route]]\nredirect = { status = 301, to = "
                                   "'${scheme}://${NEW}${path}?${query}${target}${host}' }\n",
                               world({{"NEW", "example.com"}, {"host", "wrong"}}));
  CHECK(config.routes[0].redirect ==
        Redirect{301, "${scheme}://example.com${path}?${query}${target}${host}"});
}

TEST_CASE("workers is a number, auto, or either from the environment") {
  CHECK(loaded("process.workers = 3\n" + std::string(kLeast)).process.workers == 3);
  CHECK(loaded("process.workers = 'auto'\n" + std::string(kLeast)).process.workers == 4);
  CHECK(loaded("process.workers = '${W}'\n" + std::string(kLeast), world({{"W", "7"}})).process.workers == 7);
  CHECK(available_cpus() >= 1);
}

TEST_CASE("every value of an upstream arrives") {
  const Config config = loaded(
      "listener.http.address = ':1'\n[upstream.app]\nbalance = 'hash'\nhash_key = "
      "'header:X-User'\nhash_load_factor = 1.25\n"
      "servers = [{ address = 'unix:/a', weight = 7, name = 'seven' }]\nhost_header = "
      "'example.com:81'\nqueue = 0\n"
      "queue_timeout = '1s'\ntimeout = { connect = '1ms', response = '2ms', idle = '3ms', tunnel = '4ms', "
      "drain = '0' }\n"
      "keepalive = { connections = 0, idle = '5ms', requests = 6 }\n"
      "outlier = { consecutive_errors = 0, consecutive_5xx = 1, ejection = '5m', max_ejected = 1 }\n"
      "retry = { on = ['http_429', 'non_idempotent'], attempts = 1, timeout = '1s', buffer = '0', backoff = "
      "'1ms', budget = 0 }\n"
      "[upstream.app.health]\npath = '/h?x=1'\nmethod = 'HEAD'\nhost = 'h'\nheaders = { X-B = '1', X-A = '2' "
      "}\ninterval = '100ms'\n"
      "timeout = '3s'\njitter = 0\nrise = 3\nfall = 4\nexpect_status = '200, 204,300-399'\nexpect_body = "
      "'ok'\ninitial = 'up'\n");
  const Upstream& upstream = config.upstreams[0];
  CHECK(upstream.balance == Balance::hash);
  CHECK(upstream.hash_key == HashKey{HashKeyKind::header, "X-User"});
  CHECK(upstream.hash_load_factor == 1.25);
  CHECK(upstream.servers == std::vector<Server>{Server{"seven", {"/a", 0, true}, 7}});
  CHECK(upstream.host_header == "example.com:81");
  CHECK(upstream.queue == 0);
  CHECK(upstream.queue_timeout == 1s);
  CHECK(upstream.timeout == UpstreamTimeout{1ms, 2ms, 3ms, 4ms, 0ms});
  CHECK(upstream.keepalive == Keepalive{0, 5ms, 6});
  CHECK(upstream.outlier == Outlier{0, 1, 5min, 1.0});
  CHECK(upstream.retry == Retry{retry_http_429 | retry_non_idempotent, 1, 1s, 0, 1ms, 0.0});
  const Health health{
      "/h?x=1", "HEAD", "h", {{"X-B", "1"}, {"X-A", "2"}},         100ms, 100ms, 3s,
      0.0,      3,      4,   {{200, 200}, {204, 204}, {300, 399}}, "ok",  0,     HealthInitial::up};
  REQUIRE(upstream.health.has_value());
  CHECK(*upstream.health == health);
}

TEST_CASE("every key of a hash is understood") {
  for (const auto& [text, key] :
       std::vector<std::pair<std::string, HashKey>>{{"client_ip", {HashKeyKind::client_ip, ""}},
                                                    {"path", {HashKeyKind::path, ""}},
                                                    {"host", {HashKeyKind::host, ""}},
                                                    {"cookie:sid", {HashKeyKind::cookie, "sid"}},
                                                    {"query:a b", {HashKeyKind::query, "a b"}}}) {
    CHECK(loaded(std::string(kLeast) + "upstream.app.hash_key = '" + text + "'\n").upstreams[0].hash_key ==
          key);
  }
}

TEST_CASE("PROXY headers may be expected from those named, or over unix sockets, and sent in two versions") {
  CHECK(loaded(std::string(kLeast) +
               "listener.http.proxy_protocol = true\nlistener.http.trusted_proxies = ['10.0.0.0/8']\n")
            .listeners[0]
            .proxy_protocol);
  CHECK(loaded("listener.a.address = 'unix:/a'\nlistener.a.proxy_protocol = true\n"
               "upstream.a.servers = ['a:1']\n")
            .listeners[0]
            .proxy_protocol);
  CHECK(loaded(std::string(kLeast) + "upstream.app.proxy_protocol = 2\n").upstreams[0].proxy_protocol == 2);
}

TEST_CASE("the terms of a probation arrive, and wrong ones are refused") {
  const Config config =
      loaded("process.probation = { time = '1m', errors = 0.1, latency = 1.5, requests = 7 }\n" +
             std::string(kLeast));
  CHECK(config.process.probation == Probation{1min, 0.1, 1.5, 7});
  CHECK(loaded(kLeast).process.probation == Probation{});
  CHECK(only_fault(std::string(kLeast) + "process.probation.latency = 0.5")
            .find("0 (not looked at) or at least 1") != std::string::npos);
}

TEST_CASE("off alone retries on nothing") {
  CHECK(loaded(std::string(kLeast) + "upstream.app.retry.on = 'off'\n").upstreams[0].retry.on == 0);
}

TEST_CASE("the admin token may come from a file, and must be there for an address others can reach") {
  const Config config =
      loaded("admin = { address = '0.0.0.0:9900', token_file = 'token' }\n" + std::string(kLeast),
             world({}, {{"token", "secret\r\n"}}));
  CHECK(config.admin == Admin{{"0.0.0.0", 9900, false}, "secret", ""});
  CHECK(loaded("[admin]\n[listener.http]\naddress=':1'\n[upstream.a]\nservers=['a:1']").admin == Admin{});
  for (const char* local : {"[::1]:1", "localhost:1", "127.9.9.9:1", "unix:/a"}) {
    CHECK(loaded("admin.address = '" + std::string(local) + "'\n" + kLeast).admin->token.empty());
  }
}

TEST_CASE("ports that the kernel chooses never collide") {
  CHECK(loaded("listener.a.address = ['127.0.0.1:0', '127.0.0.1:0']\nupstream.a.servers = ['a:1']")
            .listeners[0]
            .address.size() == 2);
}

TEST_CASE("a file that cannot be read is named with its remedy") {
  const LoadResult result = load_file("/no/such.toml", world());
  REQUIRE_FALSE(result.has_value());
  CHECK(render(result.error())
            .starts_with("/no/such.toml: error: cannot read the configuration: No such file or "
                         "directory\ngive the file with -c FILE"));
  CHECK(load_file("x.toml", world({}, {{"x.toml", kLeast}})).value().source == "x.toml");
  CHECK_FALSE(read_small_file("/").has_value());
  CHECK_FALSE(read_small_file("/no/such").has_value());
}
