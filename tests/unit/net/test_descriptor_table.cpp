#include "azulb/net/descriptor_table.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "../support/sockets.hpp"
#include "azulb/net/loop.hpp"

using namespace azulb;

namespace {

bool is_open(int descriptor) {
  return fcntl(descriptor, F_GETFD) >= 0;
}

}  // namespace

TEST_CASE("a thread's own table holds what was kept; the others keep theirs") {
  std::array<int, 2> kept{};
  std::array<int, 2> others{};
  REQUIRE(pipe2(others.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(kept.data(), O_CLOEXEC) == 0);
  bool made = false;
  std::thread thread([&] {
    made = net::make_own_descriptor_table(kept);
    if (!made) return;
    CHECK(is_open(2));
    CHECK(is_open(kept[0]));
    CHECK(is_open(kept[1]));
    CHECK_FALSE(is_open(others[0]));
    CHECK_FALSE(is_open(others[1]));
    close(kept[0]);
  });
  thread.join();
  if (!made) MESSAGE("the kernel does not allow it here: nothing to test");
  CHECK(is_open(kept[0]));
  CHECK(is_open(others[0]));
  CHECK(is_open(others[1]));
  for (const int descriptor : {kept[0], kept[1], others[0], others[1]})
    close(descriptor);
}

TEST_CASE("a loop whose thread has its own table is reached by messages, and reaches the other loop") {
  net::Loop main;
  net::Loop other;
  const int needed = main.mailbox_descriptor();
  int answers = 0;
  std::thread thread([&] {
    other.own_descriptors({&needed, 1});
    other.run();
  });
  other.post([&] {
    main.post([&] { ++answers; });
    other.stop();
  });
  CHECK(test::run_until(main, [&] { return answers == 1; }));
  thread.join();
}
