// The list of servers in the file that upstream.NAME.discover.file names.
#include "support.hpp"

using namespace azulb::config;
using namespace azulb::config::test;

namespace {

/// "name address weight" of each, or its diagnostics.
std::string servers_of(const std::string& text, const std::string& source, const Upstream& upstream = {}) {
  const ServersResult servers = load_servers(text, source, upstream);
  std::string result;
  if (!servers) {
    for (const Diagnostic& fault : servers.error()) {
      result += std::to_string(fault.line) + ":" + std::to_string(fault.column) + " " + fault.key + ": " +
                fault.message + "\n";
    }
    return result;
  }
  for (const Server& server : *servers)
    result += server.name + " " + server.address.text() + " " + std::to_string(server.weight) + "\n";
  return result;
}

}  // namespace

TEST_CASE("a server file is JSON, or TOML where its name says so") {
  const std::string expected = "127.0.0.1:1 127.0.0.1:1 1\nb app:2 7\n";
  CHECK(servers_of(R"(["127.0.0.1:1", {"address": "app:2", "weight": 7, "name": "b"}])", "s.json") ==
        expected);
  CHECK(servers_of(R"({"servers": ["127.0.0.1:1", {"address": "app:2", "weight": 7, "name": "b"}]})", "s") ==
        expected);
  CHECK(servers_of("servers = ['127.0.0.1:1', { address = 'app:2', weight = 7, name = 'b' }]", "s.toml") ==
        expected);
  CHECK(servers_of(
            "[[servers]]\naddress = '127.0.0.1:1'\n[[servers]]\naddress = 'app:2'\nweight = 7\nname = 'b'",
            "s.toml") == expected);
  CHECK(servers_of("[]", "s.json").empty());
  CHECK(servers_of("servers = []", "s.toml").empty());
}

TEST_CASE("what is wrong in a server file is told, all of it") {
  CHECK(servers_of("", "s.json").find("1:1 : this is not JSON: ") == 0);
  CHECK(servers_of("[\n  \"127.0.0.1:1\",\n  oops\n]", "s.json").find("3:3 : this is not JSON: ") == 0);
  CHECK(servers_of("", "s.toml") == "1:1 servers: there is no list of servers\n");
  CHECK(servers_of("servers = [", "s.toml").find("1:") == 0);
  CHECK(servers_of("{}", "s.json") == "0:0 servers: there is no list of servers\n");
  CHECK(servers_of("7", "s.json").find("\"servers\"") != std::string::npos);
  CHECK(servers_of(R"([null, "app", {"address": "a:1", "weight": 0}, {"adress": "a:2"}, "b:1", "b:1"])",
                   "s.json")
            .find("null is no value here") != std::string::npos);
  const std::string all = servers_of(
      R"(["app", {"address": "a:1", "weight": 0}, {"adress": "a:2"}, "b:1", "b:1", {"address": "c:1", "weight": 18446744073709551615}])",
      "s.json");
  CAPTURE(all);
  for (const char* part : {"servers[1]: ", "servers[2].weight: ", "servers[3].adress: unknown key",
                           "servers[5]: server \"b:1\" occurs twice", "servers[6].weight: "})
    CHECK(all.find(part) != std::string::npos);
  CHECK(servers_of(R"([[[[[[["a:1"]]]]]]])", "s.json").find("nested too deeply") != std::string::npos);
  CHECK(servers_of(R"(["${HOME}:1"])", "s.json").find("\"HOME\" is not set") != std::string::npos);
}

TEST_CASE("the servers of a file must fit the upstream they are for") {
  Upstream upstream;
  CHECK(servers_of(R"(["unix:/a"])", "s.json", upstream) == "unix:/a unix:/a 1\n");
  upstream.tls.emplace();
  CHECK(servers_of(R"(["unix:/a"])", "s.json", upstream).find("no name that its certificate could prove") !=
        std::string::npos);
}
