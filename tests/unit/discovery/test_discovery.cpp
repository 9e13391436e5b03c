#include <doctest/doctest.h>

#include <algorithm>

#include "azulb/discovery/discovery.hpp"
#include "fake_dns.hpp"

using namespace azulb;
using namespace azulb::discovery;
using namespace azulb::discovery::test;
using namespace std::chrono_literals;

namespace {

/// One upstream "app" over a DNS server of its own.
struct Fixture {
  net::Loop loop;
  FakeDns dns{loop};
  int changes = 0;
  Discovery discovery{loop, [this] { ++changes; }};
  config::Upstream upstream;

  Fixture() {
    upstream.name = "app";
    upstream.discover.emplace();
    upstream.discover->resolver = dns.address();
    upstream.discover->min_ttl = 100ms;
  }
  ~Fixture() {
    discovery.configure({});
    loop.run_once(0ms);  // ends what is under way
    loop.run_once(0ms);
  }

  void add_server(const std::string& address, unsigned weight = 1) {
    upstream.servers.push_back({address, *base::parse_host_port(address), weight});
  }
  void start() {
    discovery.configure({upstream});
    turn_until(loop, [this] { return discovery.settled() && changes > 0; });
  }
  /// "name address weight source" of each server.
  std::vector<std::string> servers() {
    std::vector<std::string> texts;
    const ServerLists lists = discovery.lists();
    for (const FoundServer& server : lists.at("app")) {
      texts.push_back(server.name + " " + server.address.text() + " " + std::to_string(server.weight) + " " +
                      server.source);
    }
    return texts;
  }
  void await(const std::vector<std::string>& expected) {
    turn_until(loop, [&] { return servers() == expected; });
  }
  void set(const std::string& name, RecordType type, const std::vector<WireRecord>& records) {
    dns.zone[{name, type}] = records;
  }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("numeric addresses and sockets need no resolver, and come as they are written") {
  Fixture test;
  test.upstream.discover.reset();
  test.add_server("127.0.0.1:3002");
  test.add_server("[::1]:3001", 7);
  test.add_server("unix:/run/app.sock");
  test.start();
  CHECK(test.servers() == Lines{"127.0.0.1:3002 127.0.0.1:3002 1 servers", "[::1]:3001 [::1]:3001 7 servers",
                                "unix:/run/app.sock unix:/run/app.sock 1 servers"});
  CHECK(test.dns.asked.empty());
}

TEST_CASE("a name becomes a server for each of its addresses, of both kinds, and follows them") {
  Fixture test;
  test.upstream.discover->dns = "app.test:3000";
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.2", 0), a("app.test", "10.0.0.1", 0)});
  test.set("app.test", RecordType::aaaa, {aaaa("app.test", "fd00::1", 0)});
  test.start();
  const std::string source = " 1 dns app.test:3000";
  CHECK(test.servers() == Lines{"10.0.0.1:3000 10.0.0.1:3000" + source,
                                "10.0.0.2:3000 10.0.0.2:3000" + source,
                                "[fd00::1]:3000 [fd00::1]:3000" + source});
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.3", 0)});
  test.set("app.test", RecordType::aaaa, {});
  test.await({"10.0.0.3:3000 10.0.0.3:3000" + source});
}

TEST_CASE("the order of the records in an answer is no change") {
  Fixture test;
  test.upstream.discover->dns = "app.test:3000";
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.2", 0), a("app.test", "10.0.0.1", 0)});
  test.start();
  const int before = test.changes;
  const std::size_t asked = test.dns.asked.size();
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.1", 0), a("app.test", "10.0.0.2", 0)});
  turn_until(test.loop, [&] { return test.dns.asked.size() >= asked + 6; });
  CHECK(test.changes == before);
}

TEST_CASE("a record is not asked for again before its time to live is over") {
  Fixture test;
  test.upstream.discover->dns = "app.test:3000";
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.1", 3600)});
  test.set("app.test", RecordType::aaaa, {});
  test.add_server("other.test:3000");
  test.set("other.test", RecordType::a, {a("other.test", "10.0.0.9", 0)});
  test.start();
  const auto asked = [&](const std::string& text) {
    return std::count(test.dns.asked.begin(), test.dns.asked.end(), text);
  };
  turn_until(test.loop, [&] { return asked("other.test A") >= 5; });
  CHECK(asked("app.test A") == 1);
}

TEST_CASE("what the DNS fails to say, or suddenly denies, takes no server away") {
  Fixture test;
  test.upstream.discover->dns = "app.test:3000";
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.1", 0)});
  test.set("app.test", RecordType::aaaa, {aaaa("app.test", "fd00::1", 0)});
  test.start();
  const Lines both = test.servers();
  REQUIRE(both.size() == 2);
  const auto failures = [&] { return test.discovery.sources("app").at(0).health.failures; };

  SUBCASE("a resolver that falls silent") {
    test.dns.silent = true;
  }
  SUBCASE("a failure of the server") {
    test.dns.rcodes[{"app.test", RecordType::a}] = test.dns.rcodes[{"app.test", RecordType::aaaa}] = 2;
  }
  SUBCASE("a name that does not exist") {
    test.dns.zone.clear();
  }
  turn_until(test.loop, [&] { return failures() >= 1; });
  CHECK(test.servers() == both);
  CHECK(!test.discovery.sources("app").at(0).health.error.empty());

  test.dns.silent = false;
  test.dns.rcodes.clear();
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.2", 0)});
  test.set("app.test", RecordType::aaaa, {});
  test.await({"10.0.0.2:3000 10.0.0.2:3000 1 dns app.test:3000"});
  CHECK(test.discovery.sources("app").at(0).health.error.empty());
}

TEST_CASE("of a name whose addresses of one kind cannot be asked for, those stay while the others change") {
  Fixture test;
  test.upstream.discover->dns = "app.test:3000";
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.1", 0)});
  test.set("app.test", RecordType::aaaa, {aaaa("app.test", "fd00::1", 0)});
  test.start();
  test.dns.rcodes[{"app.test", RecordType::aaaa}] = 2;
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.2", 0)});
  const std::string source = " 1 dns app.test:3000";
  test.await({"10.0.0.2:3000 10.0.0.2:3000" + source, "[fd00::1]:3000 [fd00::1]:3000" + source});
}

TEST_CASE("a server whose name does not resolve is left out until it does") {
  Fixture test;
  test.add_server("127.0.0.1:3001");
  test.add_server("late.test:3000", 3);
  test.start();
  CHECK(test.servers() == Lines{"127.0.0.1:3001 127.0.0.1:3001 1 servers"});
  CHECK(test.discovery.sources("app").at(0).source == "host late.test");
  test.set("late.test", RecordType::a, {a("late.test", "10.0.0.1", 0)});
  test.await({"127.0.0.1:3001 127.0.0.1:3001 1 servers", "late.test:3000 10.0.0.1:3000 3 servers"});
}

TEST_CASE("a server that stays keeps its name when its host gets more addresses") {
  Fixture test;
  test.add_server("app.test:3000");
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.2", 0)});
  test.start();
  CHECK(test.servers() == Lines{"app.test:3000 10.0.0.2:3000 1 servers"});
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.2", 0), a("app.test", "10.0.0.1", 0)});
  test.await(
      {"app.test:3000/10.0.0.1:3000 10.0.0.1:3000 1 servers", "app.test:3000 10.0.0.2:3000 1 servers"});
}

TEST_CASE("each address is there once") {
  Fixture test;
  test.add_server("10.0.0.1:3000", 5);
  test.upstream.discover->dns = "app.test:3000";
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.1", 0), a("app.test", "10.0.0.2", 0)});
  test.start();
  CHECK(test.servers() ==
        Lines{"10.0.0.1:3000 10.0.0.1:3000 5 servers", "10.0.0.2:3000 10.0.0.2:3000 1 dns app.test:3000"});
}

TEST_CASE("services bring weights and ports; only the best priority that resolves serves") {
  Fixture test;
  const std::string name = "_http._tcp.app.test";
  test.upstream.discover->dns = name;
  test.set(name, RecordType::srv,
           {srv(name, 10, 3, 3001, "one.test", 0), srv(name, 10, 0, 3002, "two.test", 0),
            srv(name, 20, 9, 3003, "spare.test", 0)});
  test.set("one.test", RecordType::a, {a("one.test", "10.0.0.1", 0)});
  test.set("two.test", RecordType::a, {a("two.test", "10.0.0.2", 0)});
  test.set("spare.test", RecordType::a, {a("spare.test", "10.0.0.3", 0)});
  test.start();
  const std::string source = " dns _http._tcp.app.test";
  CHECK(test.servers() ==
        Lines{"10.0.0.2:3002 10.0.0.2:3002 1" + source, "10.0.0.1:3001 10.0.0.1:3001 3" + source});
  CHECK(test.discovery.sources("app").at(0).servers == 2);

  test.set(name, RecordType::srv,
           {srv(name, 10, 3, 3001, "gone.test", 0), srv(name, 20, 9, 3003, "spare.test", 0)});
  test.await({"10.0.0.3:3003 10.0.0.3:3003 9" + source});
}

TEST_CASE("servers do not go before the names of their successors have been asked for") {
  Fixture test;
  const std::string name = "_http._tcp.app.test";
  test.upstream.discover->dns = name;
  test.set(name, RecordType::srv, {srv(name, 1, 1, 3000, "old.test", 0)});
  test.set("old.test", RecordType::a, {a("old.test", "10.0.0.1", 0)});
  test.set("new.test", RecordType::a, {a("new.test", "10.0.0.2", 0)});
  test.start();
  std::vector<Lines> seen;
  test.set(name, RecordType::srv, {srv(name, 1, 1, 3000, "new.test", 0)});
  turn_until(test.loop, [&] {
    if (seen.empty() || seen.back() != test.servers()) seen.push_back(test.servers());
    return seen.size() == 2;
  });
  CHECK(seen.back() == Lines{"10.0.0.2:3000 10.0.0.2:3000 1 dns _http._tcp.app.test"});
}

TEST_CASE("another configuration asks only for what is new, and keeps the last answers while it does") {
  Fixture test;
  test.upstream.discover->dns = "app.test:3000";
  test.set("app.test", RecordType::a, {a("app.test", "10.0.0.1", 3600)});
  test.start();
  const std::size_t asked = test.dns.asked.size();

  test.add_server("10.0.0.9:3000");
  test.discovery.configure({test.upstream});
  CHECK(!test.discovery.settled());
  turn_until(test.loop, [&] { return test.discovery.settled(); });
  CHECK(test.servers().size() == 2);
  CHECK(test.dns.asked.size() == asked);

  test.dns.silent = true;
  test.upstream.discover->min_ttl = 200ms;  // asks anew, in vain
  test.discovery.configure({test.upstream});
  turn_until(test.loop, [&] { return test.discovery.settled(); });
  CHECK(test.servers().size() == 2);
  CHECK(test.dns.asked.size() > asked);
}

TEST_CASE("who does not want to wait goes on with what is there") {
  Fixture test;
  test.dns.silent = true;
  test.add_server("127.0.0.1:3001");
  test.add_server("slow.test:3000");
  test.discovery.configure({test.upstream});
  turn_until(test.loop, [&] { return !test.dns.asked.empty(); });
  CHECK(!test.discovery.settled());
  test.discovery.settle_now();
  CHECK(test.discovery.settled());
  CHECK(test.servers() == Lines{"127.0.0.1:3001 127.0.0.1:3001 1 servers"});
}

TEST_CASE("localhost is what /etc/hosts says, whoever the resolver is") {
  Fixture test;
  test.add_server("localhost:3000");
  test.start();
  REQUIRE(!test.servers().empty());
  CHECK(test.servers().front().find("127.0.0.1:3000") != std::string::npos);
  CHECK(test.dns.asked.empty());
}
