// Limits of servers under many threads, and who of the waiting is next.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "azulb/balance/waiting_queue.hpp"
#include "fixture.hpp"

using namespace azulb::balance;
using namespace azulb::balance::testing;

namespace {

class Member final : public WaitingQueue::Member {
 public:
  int woken = 0;

 private:
  void wake() override { ++woken; }
};

}  // namespace

TEST_CASE("the least ticket is next, whichever member has it") {
  WaitingQueue queue;
  Member one;
  Member two;
  queue.join(one);
  queue.join(two);
  queue.wake_next();
  CHECK(one.woken + two.woken == 0);  // nobody waits
  queue.set_first(one, 7);
  queue.set_first(two, 5);
  CHECK(queue.is_next(two));
  CHECK_FALSE(queue.is_next(one));
  queue.wake_next();
  CHECK(two.woken == 1);
  queue.set_first(two, WaitingQueue::nobody);
  CHECK(queue.is_next(one));
  queue.leave(one);
  queue.wake_next();
  CHECK(one.woken == 0);
  CHECK(two.woken == 1);
  queue.leave(two);
}

TEST_CASE("no more wait than may") {
  WaitingQueue queue;
  CHECK_FALSE(queue.begin(0));
  CHECK(queue.begin(2));
  CHECK(queue.begin(2));
  CHECK_FALSE(queue.begin(2));
  CHECK(queue.count() == 2);
  queue.end();
  CHECK(queue.begin(2));
  queue.end();
  queue.end();
  CHECK(queue.empty());
}

TEST_CASE("a request that ends wakes who waits, and does nothing if nobody does") {
  const auto upstream = upstream_of("round_robin", {1});
  const auto selector = upstream->make_selector(1);
  Member member;
  upstream->waiting().join(member);
  REQUIRE(selector->choose_and_acquire({}));
  upstream->release(0);
  CHECK(member.woken == 0);
  REQUIRE(selector->choose_and_acquire({}));
  REQUIRE(upstream->waiting().begin(1));
  upstream->waiting().set_first(member, 1);
  upstream->release(0);
  CHECK(member.woken == 1);
  upstream->waiting().end();
  upstream->waiting().leave(member);
}

TEST_CASE("a server never has more requests than it may, under many threads") {
  for (const PolicyEntry& policy : policies()) {
    CAPTURE(policy.name);
    const auto upstream = upstream_of(std::string(policy.name), {1, 3});
    upstream->configure_most_requests(0, 2);
    upstream->configure_most_requests(1, 3);
    std::atomic<std::uint32_t> most[2] = {};
    std::atomic<std::uint32_t> placed{0};
    on_threads(*upstream, 4, [&](unsigned, Selector& selector) {
      for (int i = 0; i < 5'000; ++i) {
        std::vector<std::uint32_t> held;
        while (const auto server = selector.choose_and_acquire({.hash = static_cast<std::uint64_t>(i)})) {
          const std::uint32_t active = upstream->server(*server).active();
          std::uint32_t before = most[*server].load();
          while (before < active && !most[*server].compare_exchange_weak(before, active)) {
          }
          held.push_back(*server);
          placed.fetch_add(1);
        }
        for (const std::uint32_t server : held)
          upstream->release(server);
      }
    });
    CHECK(most[0] == 2);
    CHECK(most[1] == 3);
    CHECK(placed > 0);
    CHECK(upstream->total_active() == 0);
  }
}

TEST_CASE("a limit that is raised or taken back holds from then on") {
  const auto upstream = upstream_of("least_connections", {1});
  const auto selector = upstream->make_selector(1);
  upstream->configure_most_requests(0, 1);
  REQUIRE(selector->choose_and_acquire({}));
  CHECK_FALSE(selector->choose_and_acquire({}));
  upstream->configure_most_requests(0, 2);
  REQUIRE(selector->choose_and_acquire({}));
  upstream->configure_most_requests(0, 1);
  upstream->release(0);
  CHECK_FALSE(selector->choose_and_acquire({}));
  upstream->release(0);
  CHECK(selector->choose_and_acquire({}));
  upstream->release(0);
}
