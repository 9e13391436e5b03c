#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>

#include "azulb/balance/hash_key.hpp"
#include "azulb/balance/hash_ring.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

namespace {

constexpr int keys = 20'000;

std::uint64_t key(int number) {
  return hash_key("client-" + std::to_string(number));
}

/// Where each key goes, by the server's name.
std::vector<std::string> placement(UpstreamState& upstream) {
  auto selector = upstream.make_selector(1);
  std::vector<std::string> names;
  for (int i = 0; i < keys; ++i) {
    const std::uint32_t index = selector->choose_and_acquire(Choice{key(i), {}}).value();
    names.push_back(upstream.server(index).name());
    upstream.release(index);
  }
  return names;
}

std::vector<std::uint32_t> ones(std::size_t count) {
  return std::vector<std::uint32_t>(count, 1);
}

UpstreamSettings bounded(double factor) {
  UpstreamSettings settings = settings_of("hash");
  settings.hash_load_factor = factor;
  return settings;
}

}  // namespace

TEST_CASE("a key's hash is the same on every machine") {
  // XXH3's own published value for no bytes at all.
  CHECK(hash_key("") == 0x2d06800538d394c2U);
  CHECK(hash_key("a") != hash_key("b"));
}

TEST_CASE("keys spread over servers by weight") {
  auto upstream = upstream_of("hash", {1, 1, 2, 1});
  std::map<std::string, double> share;
  for (const auto& name : placement(*upstream))
    share[name] += 1.0 / keys;
  CHECK(std::abs(share["s0"] - 0.2) < 0.04);
  CHECK(std::abs(share["s1"] - 0.2) < 0.04);
  CHECK(std::abs(share["s2"] - 0.4) < 0.06);
  CHECK(std::abs(share["s3"] - 0.2) < 0.04);
}

TEST_CASE("when one of ten servers fails, its keys move and no others; when it returns, they return") {
  auto upstream = checked_upstream_of(settings_of("hash"), ones(10));
  const auto before = placement(*upstream);
  take_down(*upstream, 4);
  const auto during = placement(*upstream);
  std::map<std::string, int> heirs;
  for (int i = 0; i < keys; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (before[at] == "s4") {
      CHECK(during[at] != "s4");
      ++heirs[during[at]];
    } else {
      REQUIRE(during[at] == before[at]);
    }
  }
  CHECK(heirs.size() == 9);
  bring_up(*upstream, 4);
  CHECK(placement(*upstream) == before);
}

TEST_CASE("a server taken out of the configuration moves its own keys only, wherever it stood in the list") {
  auto servers = servers_of_weights(ones(10));
  UpstreamState all(settings_of("hash"), servers);
  servers.erase(servers.begin() + 2);
  std::reverse(servers.begin(), servers.end());
  UpstreamState fewer(settings_of("hash"), servers);
  const auto before = placement(all);
  const auto after = placement(fewer);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] != "s2") REQUIRE(after[i] == before[i]);
  }
}

TEST_CASE("an eleventh server takes about an eleventh of the keys, and nothing else moves") {
  UpstreamState ten(settings_of("hash"), servers_of_weights(ones(10)));
  UpstreamState eleven(settings_of("hash"), servers_of_weights(ones(11)));
  const auto before = placement(ten);
  const auto after = placement(eleven);
  int moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == after[i]) continue;
    REQUIRE(after[i] == "s10");
    ++moved;
  }
  CHECK(std::abs(moved - keys / 11.0) < keys / 11.0 * 0.25);
}

TEST_CASE("unbounded hashing sticks however loaded the server is") {
  auto upstream = upstream_of("hash", ones(5));
  auto selector = upstream->make_selector(1);
  const auto first = selector->choose_and_acquire(Choice{key(1), {}});
  for (int i = 0; i < 10'000; ++i)
    REQUIRE(selector->choose_and_acquire(Choice{key(1), {}}) == first);
}

TEST_CASE("with a load factor no server takes more than its bound, though one key has all the requests") {
  for (const double factor : {1.0, 1.25, 2.0}) {
    UpstreamState upstream(bounded(factor), servers_of_weights({1, 1, 2, 1, 1}));
    auto selector = upstream.make_selector(1);
    for (int i = 1; i <= 3'000; ++i) {
      const std::uint32_t index = selector->choose_and_acquire(Choice{key(7), {}}).value();
      const double bound = std::ceil(factor * i * upstream.server(index).weight() / 6.0 - 1e-9);
      REQUIRE(upstream.server(index).active() <= std::max(1.0, bound));
    }
  }
}

TEST_CASE("the bound holds over all workers") {
  UpstreamState upstream(bounded(1.25), servers_of_weights(ones(10)));
  on_threads(upstream, 4, [](unsigned, Selector& selector) {
    for (int i = 0; i < 5'000; ++i)
      selector.choose_and_acquire(Choice{key(i % 3), {}});
  });
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < 10; ++i) {
    CHECK(upstream.server(i).active() <= 2'500);
    sum += upstream.server(i).active();
  }
  CHECK(sum == 20'000);
}

TEST_CASE("under its bound a key keeps its server, bounded or not") {
  UpstreamState loose(bounded(1.25), servers_of_weights(ones(10)));
  UpstreamState strict(settings_of("hash"), servers_of_weights(ones(10)));
  // One request at a time: the bound is 1 for everybody.
  CHECK(placement(loose) == placement(strict));
}

TEST_CASE("a single server with a bound takes everything") {
  UpstreamState upstream(bounded(1.25), servers_of_weights({1}));
  auto selector = upstream.make_selector(1);
  for (int i = 0; i < 1000; ++i)
    REQUIRE(selector->choose_and_acquire(Choice{key(i), {}}) == 0);
}

TEST_CASE("a retry goes to the next server on the ring, always the same one") {
  auto upstream = checked_upstream_of(settings_of("hash"), ones(6));
  auto selector = upstream->make_selector(1);
  for (int i = 0; i < 200; ++i) {
    const std::vector<std::uint32_t> tried = {selector->choose_and_acquire(Choice{key(i), {}}).value()};
    const std::uint32_t second = selector->choose_and_acquire(Choice{key(i), tried}).value();
    // Where the key goes when the first is down.
    take_down(*upstream, tried[0]);
    CHECK(selector->choose_and_acquire(Choice{key(i), {}}) == second);
    bring_up(*upstream, tried[0]);
  }
}

TEST_CASE("the ring stays within its limit and finds a point in constant time for 10 and 10,000 servers") {
  for (const std::size_t count : {10U, 10'000U}) {
    std::vector<HashRing::Member> members;
    for (std::size_t i = 0; i < count; ++i)
      members.push_back({"10.0.0." + std::to_string(i) + ":3000", 1});
    const HashRing ring(members);
    CHECK(ring.size() <= HashRing::max_points(count));
    std::uint64_t probes = 0;
    for (int i = 0; i < keys; ++i)
      ring.find(key(i), probes);
    CHECK(static_cast<double>(probes) / keys < 2.0);
  }
  const std::vector<HashRing::Member> heavy = {{"a", 65535}, {"b", 65535}, {"c", 1}};
  const HashRing ring(heavy);
  CHECK(ring.size() <= HashRing::max_points(3));
  std::uint64_t probes = 0;
  // Past the last point the ring begins again.
  CHECK(ring.find(~std::uint64_t{0}, probes) == 0);
}
