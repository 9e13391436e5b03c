// What a snapshot takes over from the one before.
#include <doctest/doctest.h>

#include <utility>

#include "azulb/proxy/snapshot.hpp"

using namespace azulb;
using proxy::Snapshot;

namespace {

config::Server server(const std::string& address, unsigned weight = 1) {
  return {address, *base::parse_host_port(address), weight};
}

config::Config app(std::vector<config::Server> servers) {
  config::Config config;
  config.listeners.emplace_back().name = "http";
  config::Upstream& upstream = config.upstreams.emplace_back();
  upstream.name = "app";
  upstream.servers = std::move(servers);
  upstream.health.emplace();
  return config;
}

/// The servers as they are written.
discovery::ServerLists lists_of(const config::Config& config) {
  discovery::ServerList list;
  for (const config::Server& each : config.upstreams[0].servers) {
    const base::SocketAddress address = base::resolve(each.address, false)->front();
    list.push_back({each.name, address, each.address.host, each.weight, "servers"});
  }
  return {{"app", list}};
}

std::shared_ptr<Snapshot> built(const config::Config& config) {
  return *Snapshot::build(config, lists_of(config));
}

std::shared_ptr<Snapshot> follow(const Snapshot& earlier, config::Config config) {
  const discovery::ServerLists lists = lists_of(config);
  auto next = *Snapshot::prepare(std::move(config), lists, &earlier);
  next->link(&earlier);
  return next;
}

constexpr const char* a = "127.0.0.1:3001";
constexpr const char* b = "127.0.0.1:3002";
constexpr const char* c = "127.0.0.1:3003";

}  // namespace

TEST_CASE("an upstream in which nothing has changed keeps its whole state") {
  const auto before = built(app({server(a), server(b)}));
  config::Config same = app({server(a), server(b)});
  same.upstreams[0].timeout.connect = std::chrono::seconds(9);  // nothing that balancing knows of
  const auto after = follow(*before, std::move(same));
  CHECK(after->upstream(0).state == before->upstream(0).state);
  CHECK(after->number() == before->number() + 1);
}

TEST_CASE("servers that stay keep their health, ejection and counts; new ones wait for their first check") {
  const auto before = built(app({server(a), server(b)}));
  balance::UpstreamState& state = *before->upstream(0).state;
  state.record_check(0, false, "refused");
  state.record_check(1, true, "status 200");
  state.acquire(1);
  const auto after = follow(*before, app({server(c), server(b), server(a)}));
  balance::UpstreamState& next = *after->upstream(0).state;
  CHECK(next.server(0).health() == balance::Health::unknown);
  CHECK(next.server(1).health() == balance::Health::up);
  CHECK(next.server(1).active() == 1);
  CHECK(next.server(2).health() == balance::Health::down);
  CHECK(next.total_active() == 1);
  state.release(1);
  CHECK((next.total_active() == 0 && next.server(1).active() == 0));
  CHECK(after->find_server(state.server(0))->server == 2);
  CHECK_FALSE(before->find_server(next.server(0)));
}

TEST_CASE("with other checks a server is unknown") {
  const auto before = built(app({server(a)}));
  before->upstream(0).state->record_check(0, true, "status 200");
  config::Config config = app({server(a)});
  config.upstreams[0].health->path = "/other";
  const auto after = follow(*before, std::move(config));
  CHECK(after->upstream(0).state->server(0).health() == balance::Health::unknown);
  CHECK(after->upstream(0).earlier_servers[0] == 0);  // its connections stay
}

TEST_CASE("a server of another name or address is another server") {
  const auto before = built(app({server(a)}));
  config::Config renamed = app({server(a)});
  renamed.upstreams[0].servers[0].name = "app1";
  CHECK_FALSE(follow(*before, std::move(renamed))->upstream(0).earlier_servers[0]);
  config::Config moved = app({server(b)});
  moved.upstreams[0].servers[0].name = a;
  CHECK_FALSE(follow(*before, std::move(moved))->upstream(0).earlier_servers[0]);
}

TEST_CASE("a weight that was set stays until the configuration's changes") {
  const auto before = built(app({server(a, 5), server(b)}));
  before->upstream(0).state->set_weight(0, 50);
  const auto same = follow(*before, app({server(a, 5), server(b)}));
  CHECK(same->upstream(0).state->server(0).weight() == 50);
  const auto other = follow(*same, app({server(a, 6), server(b)}));
  CHECK(other->upstream(0).state->server(0).weight() == 6);
}

TEST_CASE("preparing changes nothing that runs") {
  const auto before = built(app({server(a, 5), server(b)}));
  const auto prepared = *Snapshot::prepare(app({server(a, 9)}), lists_of(app({server(a, 9)})), before.get());
  CHECK(before->upstream(0).state->server(0).weight() == 5);
  CHECK(prepared->upstream(0).state == nullptr);
}

TEST_CASE("a snapshot with other servers keeps those that stay, and its configuration") {
  const auto before = built(app({server(a), server(b)}));
  before->upstream(0).state->record_check(0, true, "status 200");
  const auto after = before->with_servers(lists_of(app({server(c), server(a)})));
  after->link(before.get());
  CHECK(after->config() == before->config());
  const balance::UpstreamState& state = *after->upstream(0).state;
  REQUIRE(state.server_count() == 2);
  CHECK(state.server(0).health() == balance::Health::unknown);
  CHECK(state.shared_server(1) == before->upstream(0).state->shared_server(0));
  CHECK(after->upstream(0).sources == std::vector<std::string>{"servers", "servers"});
}
