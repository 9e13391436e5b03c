#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <uv.h>

#include <functional>
#include <string>
#include <vector>

#include "../support/recorder.hpp"
#include "../support/sockets.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"

using namespace azulb;
using std::chrono::milliseconds;

namespace {

struct Work final : net::Deferred {
  std::function<void()> act;

 private:
  void on_deferred() override { act(); }
};

struct Level final : net::Watcher {
  int calls = 0;

 private:
  void on_events(std::uint32_t events) override {
    CHECK((events & EPOLLIN) != 0);
    ++calls;
  }
};

struct Ended final : net::Retired {
  int reclaimed = 0;

 private:
  void reclaim() override { ++reclaimed; }
};

struct Alarm {
  void ring() { act(); }
  std::function<void()> act;
  net::MemberTimer<Alarm, &Alarm::ring> timer{*this};
};

}  // namespace

TEST_CASE("deferred work runs in order, once, and what it defers in turn waits for the next turn") {
  net::Loop loop;
  std::vector<int> order;
  Work one;
  Work two;
  Work cancelled;
  one.act = [&] {
    order.push_back(1);
    if (order.size() < 3) loop.defer(one);
  };
  two.act = [&] { order.push_back(2); };
  cancelled.act = [&] { order.push_back(3); };
  loop.defer(one);
  loop.defer(cancelled);
  loop.defer(two);
  loop.defer(one);  // already waiting
  cancelled.cancel();
  loop.run_once(milliseconds(0));
  CHECK(order == std::vector<int>{1, 2});
  loop.run_once(milliseconds(10'000));  // does not wait: work is there
  CHECK(order == std::vector<int>{1, 2, 1});
}

TEST_CASE("what is retired is given back at the end of the turn, after its callbacks") {
  net::Loop loop;
  Ended object;
  Work work;
  Work later;
  work.act = [&] { loop.retire(object); };
  later.act = [&] { CHECK(object.reclaimed == 0); };
  loop.defer(work);
  loop.defer(later);
  loop.run_once(milliseconds(0));
  CHECK(object.reclaimed == 1);
  loop.run_once(milliseconds(0));
  CHECK(object.reclaimed == 1);
}

TEST_CASE("a loop that ends gives back what was retired last") {
  Ended object;
  {
    net::Loop loop;
    loop.retire(object);
  }
  CHECK(object.reclaimed == 1);
}

TEST_CASE("run returns after stop, with deferred work done and retired objects given back") {
  net::Loop loop;
  Ended object;
  Work work;
  bool done = false;
  work.act = [&] { done = true; };
  loop.post([&] {
    loop.defer(work);
    loop.retire(object);
    loop.stop();
  });
  loop.run();
  CHECK(done);
  CHECK(object.reclaimed == 1);
}

TEST_CASE("a level watch calls each turn while there is something to read, and no more once it has ended") {
  net::Loop loop;
  test::Pair pair = test::socket_pair();
  Level level;
  REQUIRE(loop.watch_level(pair.near.get(), level, false));
  loop.run_once(milliseconds(0));
  CHECK(level.calls == 0);
  REQUIRE(pair.far.send("x") == 1);
  loop.run_once(milliseconds(0));
  loop.run_once(milliseconds(0));
  CHECK(level.calls == 2);
  loop.unwatch(pair.near.get());
  loop.run_once(milliseconds(0));
  CHECK(level.calls == 2);
}

TEST_CASE("a descriptor that cannot be watched is refused with errno") {
  net::Loop loop;
  Level level;
  CHECK_FALSE(loop.watch(-1, level));
  CHECK(errno == EBADF);
}

TEST_CASE("a timer wakes the loop") {
  net::Loop loop;
  int rings = 0;
  Alarm alarm;
  alarm.act = [&] { ++rings; };
  loop.timers().list(milliseconds(5)).start(alarm.timer);
  const std::int64_t started_ms = loop.now_ms();
  CHECK(test::run_until(loop, [&] { return rings > 0; }));
  CHECK(loop.now_ms() - started_ms >= 5);
}

TEST_CASE("libuv's own timers run in the loop") {
  net::Loop loop;
  int calls = 0;
  uv_timer_t timer;
  uv_timer_init(loop.uv(), &timer);
  timer.data = &calls;
  uv_timer_start(
      &timer,
      [](uv_timer_t* handle) {
        ++*static_cast<int*>(handle->data);
        uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr);
      },
      3, 0);
  CHECK(test::run_until(loop, [&] { return calls == 1; }));
}

// Both write from one buffer, as callbacks that share a read buffer do: on a turn where several timers were
// due, the bytes once left only after the last of them.
TEST_CASE("what a timer's or a message's callback writes has left before the next one runs") {
  net::Loop loop;
  test::Pair pair = test::socket_pair();
  test::Recorder recorder;
  net::Connection connection(loop, recorder);
  connection.adopt(pair.near.release());
  std::string bytes;
  const auto write_once = [&](char letter) {
    bytes.assign(3000, letter);
    connection.write(bytes);
  };
  SUBCASE("timers") {
    Alarm one;
    Alarm two;
    one.act = [&] { write_once('a'); };
    two.act = [&] { write_once('b'); };
    loop.timers().list(milliseconds(1)).start(one.timer);
    loop.timers().list(milliseconds(1)).start(two.timer);
    CHECK(test::run_until(loop, [&] { return !one.timer.running() && !two.timer.running(); }));
  }
  SUBCASE("messages") {
    int messages = 0;
    for (const char letter : {'a', 'b'}) {
      loop.post([&, letter] {
        write_once(letter);
        ++messages;
      });
    }
    CHECK(test::run_until(loop, [&] { return messages == 2; }));
  }
  pair.far.drain();
  CHECK(pair.far.received() == std::string(3000, 'a') + std::string(3000, 'b'));
  connection.close();
}

TEST_CASE("a loop with nothing to do sleeps") {
  net::Loop loop;
  const std::int64_t before_ms = base::monotonic_ms();
  loop.run_once(milliseconds(30));
  CHECK(base::monotonic_ms() - before_ms >= 29);
}
