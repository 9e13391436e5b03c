#include "azulb/proxy/route_split.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>

#include "azulb/base/random.hpp"

using namespace azulb;
using proxy::RouteSplit;
using Reason = RouteSplit::Reason;

namespace {

config::Route split_route(unsigned app, unsigned canary) {
  config::Route route;
  route.split = {{"app", app}, {"canary", canary}};
  return route;
}

/// A request of the client, with at most one field.
struct Asking {
  explicit Asking(std::string client, std::string cookie = "")
      : ip(std::move(client)), value(std::move(cookie)) {
    request.forwarded.client_ip = ip;
    if (value.empty()) return;
    field = http::make_field("Cookie", value);
    request.head.fields = std::span(&field, 1);
    request.head.present = http::id_bit(http::FieldId::cookie);
  }
  std::string ip;
  std::string value;
  http::Field field;
  http::Request request;
};

constexpr std::uint64_t highest = UINT64_MAX;

}  // namespace

TEST_CASE("without cookie and key the weights decide over chance") {
  const RouteSplit split(split_route(95, 5));
  const Asking asking("10.0.0.1");
  base::Random random(7);
  std::array<int, 2> counts{};
  for (int i = 0; i < 20'000; ++i) {
    const auto choice = split.choose(asking.request, random.next());
    CHECK(choice.reason == Reason::chance);
    ++counts[choice.part];
  }
  CHECK(counts[1] > 800);
  CHECK(counts[1] < 1200);
  CHECK(split.choose(asking.request, 0).part == 0);
  CHECK(split.choose(asking.request, highest).part == 1);
}

TEST_CASE("an upstream of weight 0 is chosen by nobody, wherever it stands") {
  const Asking asking("10.0.0.1");
  for (const std::uint64_t random : {std::uint64_t{0}, highest / 2, highest}) {
    CHECK(RouteSplit(split_route(0, 3)).choose(asking.request, random).part == 1);
    CHECK(RouteSplit(split_route(3, 0)).choose(asking.request, random).part == 0);
  }
}

TEST_CASE("a client keeps its place by the key, and few move when the weights do") {
  config::Route route = split_route(90, 10);
  route.split_key = config::HashKey{};
  config::Route later = split_route(80, 20);
  later.split_key = config::HashKey{};
  const RouteSplit before(route);
  const RouteSplit after(later);
  int canaries = 0;
  int moved = 0;
  for (int client = 0; client < 4000; ++client) {
    const Asking asking("10.0." + std::to_string(client / 256) + "." + std::to_string(client % 256));
    const auto choice = before.choose(asking.request, highest);
    CHECK(choice.reason == Reason::key);
    CHECK(before.choose(asking.request, 0).part == choice.part);
    canaries += static_cast<int>(choice.part);
    const auto next = after.choose(asking.request, 0);
    if (choice.part == 1) CHECK(next.part == 1);
    moved += static_cast<int>(next.part != choice.part);
  }
  CHECK(canaries > 300);
  CHECK(canaries < 500);
  CHECK(moved > 300);
  CHECK(moved < 500);
}

TEST_CASE("a request without the key goes by chance") {
  config::Route route = split_route(1, 1);
  route.split_key = config::HashKey{config::HashKeyKind::cookie, "user"};
  const RouteSplit split(route);
  CHECK(split.choose(Asking("10.0.0.1").request, highest).reason == Reason::chance);
  CHECK(split.choose(Asking("10.0.0.1", "user=").request, highest).reason == Reason::chance);
  CHECK(split.choose(Asking("10.0.0.1", "user=ann").request, highest).reason == Reason::key);
}

TEST_CASE("the cookie leads back to where it came from, in another order, with other weights") {
  config::Route route = split_route(95, 5);
  route.split_cookie = "side";
  const RouteSplit split(route);
  const std::string cookie(split.set_cookie(1, false));
  CHECK(cookie.starts_with("side="));
  CHECK(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"));
  CHECK(cookie.find("canary") == std::string::npos);
  CHECK(std::string(split.set_cookie(1, true)) == cookie + "; Secure");
  const Asking asking("10.0.0.1", "a=b; " + cookie.substr(0, cookie.find(';')));
  const auto choice = split.choose(asking.request, 0);
  CHECK(choice.part == 1);
  CHECK(choice.reason == Reason::cookie);
  config::Route later;
  later.split = {{"canary", 0}, {"new", 1}, {"app", 5}};
  later.split_cookie = "side";
  CHECK(RouteSplit(later).choose(asking.request, highest).part == 0);
  CHECK(split.choose(Asking("10.0.0.1", "side=forged").request, 0).reason == Reason::chance);
  CHECK(RouteSplit(split_route(1, 1)).set_cookie(0, false).empty());
}
