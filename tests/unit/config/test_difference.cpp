#include "azulb/config/difference.hpp"

#include <doctest/doctest.h>

#include "support.hpp"

using azulb::config::Change;
using azulb::config::Config;
using azulb::config::differences;
using azulb::config::to_string;

namespace {

Config base_config() {
  Config config;
  config.listeners.resize(1);
  config.listeners[0].name = "http";
  config.routes.resize(2);
  config.routes[0].name = "users";
  config.routes[1].name = "rest";
  config.upstreams.resize(1);
  config.upstreams[0].name = "app";
  return config;
}

std::vector<std::string> texts(const Config& before, const Config& after) {
  std::vector<std::string> lines;
  for (const Change& change : differences(before, after))
    lines.push_back(to_string(change));
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("equal configurations differ in nothing, whatever their files are called") {
  Config other = base_config();
  other.source = "other.toml";
  CHECK(differences(base_config(), other).empty());
}

TEST_CASE("tables that came, went or changed are named, with the keys that did") {
  Config after = base_config();
  after.listeners[0].backlog = 1;
  after.listeners[0].timeout.body = std::chrono::seconds(1);
  after.listeners.emplace_back().name = "https";
  after.upstreams[0].name = "other";
  after.log.level = azulb::config::LogLevel::debug;
  CHECK(texts(base_config(), after) ==
        Lines{"log: changed (level)", "listener http: changed (backlog, timeout)", "listener https: added",
              "upstream other: added", "upstream app: removed"});
}

TEST_CASE("what waits for a restart is told apart from what has changed") {
  Config after = base_config();
  after.process.pid_file = "/run/pid";
  after.process.workers = 7;
  CHECK(texts(base_config(), after) ==
        Lines{"process: changed (workers)", "process: changes at the next restart (pid_file)"});
}

TEST_CASE("routes in another order are a change, as the first that matches counts") {
  Config after = base_config();
  std::swap(after.routes[0], after.routes[1]);
  CHECK(texts(base_config(), after) == Lines{"routes: changed (order)"});
}

TEST_CASE("admin pages come and go") {
  Config after = base_config();
  after.admin.emplace();
  CHECK(texts(base_config(), after) == Lines{"admin: added"});
  CHECK(texts(after, base_config()) == Lines{"admin: removed"});
  Config secret = after;
  secret.admin->token = "a secret";
  CHECK(texts(after, secret) == Lines{"admin: changed (token)"});
}
