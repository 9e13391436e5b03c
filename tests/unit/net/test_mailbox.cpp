#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "../support/sockets.hpp"
#include "azulb/net/loop.hpp"
#include "azulb/net/mailbox.hpp"

using namespace azulb;

TEST_CASE("messages of many threads all run on the loop's thread, each thread's in its order") {
  constexpr int threads_count = 4;
  constexpr int messages_count = 2000;
  net::Loop loop;
  const std::thread::id here = std::this_thread::get_id();
  std::array<std::vector<int>, threads_count> seen;
  int total = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < threads_count; ++thread) {
    threads.emplace_back([&, thread] {
      for (int message = 0; message < messages_count; ++message) {
        loop.post([&, thread, message] {
          CHECK(std::this_thread::get_id() == here);
          seen[static_cast<std::size_t>(thread)].push_back(message);
          if (++total == threads_count * messages_count) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (std::thread& thread : threads)
    thread.join();
  for (const std::vector<int>& messages : seen) {
    REQUIRE(messages.size() == messages_count);
    for (int message = 0; message < messages_count; ++message) {
      CHECK(messages[static_cast<std::size_t>(message)] == message);
    }
  }
}

TEST_CASE("two loops on two threads hand a message back and forth") {
  net::Loop loop;
  net::Loop other;
  std::thread thread([&] { other.run(); });
  int rounds = 0;
  std::function<void()> ping = [&] {
    if (++rounds == 100) {
      other.post([&] { other.stop(); });
      loop.stop();
      return;
    }
    other.post([&] { loop.post(ping); });
  };
  loop.post(ping);
  loop.run();
  thread.join();
  CHECK(rounds == 100);
}

TEST_CASE("a message may post another, which runs in a later turn") {
  net::Loop loop;
  std::vector<int> order;
  loop.post([&] {
    loop.post([&] { order.push_back(3); });
    order.push_back(1);
  });
  loop.post([&] { order.push_back(2); });
  CHECK(test::run_until(loop, [&] { return order.size() == 3; }));
  CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("a closed mailbox drops what is posted, from any thread, and what it had not run") {
  net::Gather gather;
  const auto held = std::make_shared<std::atomic<int>>(0);
  {
    net::Mailbox mailbox(gather);
    mailbox.post([held] { ++*held; });
    std::thread thread([&] {
      for (int message = 0; message < 1000; ++message)
        mailbox.post([held] { ++*held; });
    });
    mailbox.close();
    mailbox.close();
    thread.join();
    mailbox.post([held] { ++*held; });
    mailbox.deliver();
  }
  CHECK(*held == 0);
  CHECK(held.use_count() == 1);
}
