#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "azulb/net/timers.hpp"

using azulb::net::MemberTimer;
using azulb::net::TimerList;
using azulb::net::TimerQueue;
using std::chrono::milliseconds;

namespace {

struct Alarm {
  void ring() {
    ++rings;
    if (when_rung) when_rung();
  }
  int rings = 0;
  std::function<void()> when_rung;
  MemberTimer<Alarm, &Alarm::ring> timer{*this};
};

void run_at(TimerQueue& queue, std::int64_t now_ms) {
  queue.set_now_ms(now_ms);
  queue.run_due();
}

}  // namespace

TEST_CASE("a timer fires once, when its duration has passed and not before") {
  TimerQueue queue;
  Alarm alarm;
  queue.set_now_ms(1000);
  queue.list(milliseconds(50)).start(alarm.timer);
  CHECK(queue.next_deadline_ms() == 1050);
  run_at(queue, 1049);
  CHECK(alarm.rings == 0);
  CHECK(alarm.timer.running());
  run_at(queue, 1050);
  CHECK(alarm.rings == 1);
  CHECK_FALSE(alarm.timer.running());
  run_at(queue, 5000);
  CHECK(alarm.rings == 1);
  CHECK(queue.next_deadline_ms() == TimerQueue::never);
}

TEST_CASE("a stopped or destroyed timer does not fire, and the next deadline is found again") {
  TimerQueue queue;
  Alarm late;
  Alarm stopped;
  auto destroyed = std::make_unique<Alarm>();
  queue.list(milliseconds(10)).start(stopped.timer);
  queue.list(milliseconds(10)).start(destroyed->timer);
  queue.list(milliseconds(500)).start(late.timer);
  stopped.timer.stop();
  destroyed.reset();
  run_at(queue, 10);  // wakes for nothing
  CHECK(stopped.rings == 0);
  CHECK(queue.next_deadline_ms() == 500);
  run_at(queue, 500);
  CHECK(late.rings == 1);
}

TEST_CASE("starting a running timer again moves its deadline, also to another list") {
  TimerQueue queue;
  Alarm alarm;
  TimerList& list = queue.list(milliseconds(100));
  list.start(alarm.timer);
  queue.set_now_ms(60);
  list.start(alarm.timer);
  run_at(queue, 100);
  CHECK(alarm.rings == 0);
  queue.list(milliseconds(10)).start(alarm.timer);
  run_at(queue, 110);
  CHECK(alarm.rings == 1);
  run_at(queue, 160);
  CHECK(alarm.rings == 1);
}

TEST_CASE("there is one list for each duration") {
  TimerQueue queue;
  TimerList& list = queue.list(milliseconds(100));
  CHECK(&queue.list(milliseconds(100)) == &list);
  CHECK(&queue.list(milliseconds(101)) != &list);
  CHECK(list.duration_ms() == 100);
}

TEST_CASE("a timer that starts itself again in its callback fires once a run, even with no duration") {
  TimerQueue queue;
  Alarm alarm;
  TimerList& list = queue.list(milliseconds(0));
  alarm.when_rung = [&] { list.start(alarm.timer); };
  list.start(alarm.timer);
  run_at(queue, 0);
  CHECK(alarm.rings == 1);
  run_at(queue, 0);
  CHECK(alarm.rings == 2);
}

TEST_CASE("a due timer that another due timer stops does not fire, and one it restarts fires later") {
  TimerQueue queue;
  Alarm first;
  Alarm stopped;
  Alarm restarted;
  TimerList& list = queue.list(milliseconds(10));
  list.start(first.timer);
  list.start(stopped.timer);
  list.start(restarted.timer);
  first.when_rung = [&] {
    stopped.timer.stop();
    list.start(restarted.timer);
  };
  run_at(queue, 10);
  CHECK(first.rings == 1);
  CHECK(stopped.rings == 0);
  CHECK(restarted.rings == 0);
  CHECK(queue.next_deadline_ms() == 20);
  run_at(queue, 20);
  CHECK(restarted.rings == 1);
}

TEST_CASE("a varying duration is never early and at most an eighth late") {
  for (std::int64_t duration_ms = 1; duration_ms < 100'000; duration_ms += 1 + duration_ms / 7) {
    TimerQueue queue;
    Alarm alarm;
    queue.start(alarm.timer, milliseconds(duration_ms));
    CHECK(queue.next_deadline_ms() >= duration_ms);
    CHECK(queue.next_deadline_ms() <= duration_ms + duration_ms / 8);
  }
  TimerQueue queue;
  Alarm alarm;
  queue.start(alarm.timer, milliseconds(0));
  CHECK(queue.next_deadline_ms() == 1);
}

TEST_CASE("new durations without end make no lists without end, and are late by an eighth at most") {
  TimerQueue queue;
  std::set<const TimerList*> lists;
  std::int64_t last_ms = 0;
  for (int duration_ms = 1; duration_ms <= 100'000; ++duration_ms) {
    const TimerList& list = queue.list(milliseconds(duration_ms));
    lists.insert(&list);
    last_ms = list.duration_ms();
    CHECK(last_ms >= duration_ms);
    CHECK(last_ms <= duration_ms + duration_ms / 8);
  }
  CHECK(lists.size() <= TimerQueue::exact_lists + 8 * 17);
  CHECK(last_ms == 106'496);
  CHECK(queue.list(milliseconds(7)).duration_ms() == 7);
}

TEST_CASE("the caller's word after each timer comes between the callbacks") {
  TimerQueue queue;
  std::vector<int> order;
  Alarm one;
  Alarm two;
  one.when_rung = [&] { order.push_back(1); };
  two.when_rung = [&] { order.push_back(2); };
  queue.list(milliseconds(5)).start(one.timer);
  queue.list(milliseconds(5)).start(two.timer);
  queue.set_now_ms(5);
  queue.run_due([&] { order.push_back(0); });
  CHECK(order == std::vector<int>{1, 0, 2, 0});
}
