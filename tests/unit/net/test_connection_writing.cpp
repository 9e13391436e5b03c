#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <string>

#include "../support/recorder.hpp"
#include "../support/sockets.hpp"
#include "azulb/net/connection.hpp"

using namespace azulb;
using test::settle;

namespace {

struct Fixture {
  explicit Fixture(test::Pair connected) : pair(std::move(connected)) {
    connection.adopt(pair.near.release());
    settle(loop);
  }
  Fixture() : Fixture(test::socket_pair()) {}
  ~Fixture() { connection.close(); }

  void write(std::string_view bytes) { connection.write(bytes); }
  void write_in_place(std::string_view bytes) {
    const std::span<char> room = connection.write_scratch(bytes.size());
    REQUIRE(room.size() >= bytes.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    connection.commit_scratch(bytes.size());
  }

  net::Loop loop;
  test::Pair pair;
  test::Recorder recorder;
  net::Connection connection{loop, recorder};
};

/// Writes until the kernel takes no more; everything that was written.
std::string fill(Fixture& f) {
  std::string written;
  while (f.connection.queued_bytes() == 0) {
    const std::string block(50'000, static_cast<char>('a' + written.size() / 50'000 % 26));
    f.write(block);
    f.connection.flush();
    written += block;
  }
  return written;
}

}  // namespace

// A SOCK_SEQPACKET socket keeps the bounds of each system call's bytes.
TEST_CASE("what one callback writes, by reference and in place, leaves in one system call") {
  Fixture f(test::socket_pair(SOCK_SEQPACKET));
  const std::string body = "body";
  f.write_in_place("head: 1\r\n");
  f.write_in_place("\r\n");
  f.write(body);
  f.write({});
  f.write_in_place("5\r\n");
  f.write("tail");
  CHECK(f.connection.queued_bytes() == 22);
  CHECK(f.pair.far.receive().empty());
  f.loop.gather().flush();
  CHECK(f.connection.queued_bytes() == 0);
  CHECK(f.pair.far.receive() == "head: 1\r\n\r\nbody5\r\ntail");
  CHECK(f.pair.far.receive().empty());
  CHECK(f.connection.sent_bytes() == 22);
}

TEST_CASE("the loop sends at the end of the callback that wrote") {
  Fixture f(test::socket_pair(SOCK_SEQPACKET));
  f.recorder.when_bytes = [&](std::string_view) {
    f.write("a");
    f.write("b");
  };
  f.pair.far.send("?");
  f.loop.run_once(std::chrono::milliseconds(0));
  CHECK(f.pair.far.receive() == "ab");
}

TEST_CASE("small messages to several connections are held and leave together") {
  Fixture f(test::socket_pair(SOCK_SEQPACKET));
  test::Pair other_pair = test::socket_pair(SOCK_SEQPACKET);
  test::Recorder other_recorder;
  net::Connection other(f.loop, other_recorder);
  other.adopt(other_pair.near.release());
  f.write("one");
  other.write(std::string_view("two"));
  f.loop.gather().settle();
  CHECK(f.connection.queued_bytes() == 3);
  CHECK(other.queued_bytes() == 3);
  CHECK(f.pair.far.receive().empty());
  SUBCASE("what follows to the same connection does not overtake") {
    f.write("three");
    CHECK(f.pair.far.receive() == "one");
    CHECK(other_pair.far.receive() == "two");
    f.loop.gather().flush();
    CHECK(f.pair.far.receive() == "three");
  }
  SUBCASE("a close sends it") {
    f.connection.close();
    CHECK(f.pair.far.receive() == "one");
  }
  SUBCASE("an abort forgets only what its own callback wrote") {
    f.write("three");
    f.connection.abort();
    CHECK(f.pair.far.receive() == "one");
    CHECK(f.pair.far.receive().empty());
  }
  SUBCASE("bytes by reference do not wait: they live only as long as their callback") {
    const std::string large(net::Gather::held_message_bytes + 1, 'l');
    f.loop.gather().flush();
    f.write(large);
    f.loop.gather().settle();
    CHECK(f.connection.queued_bytes() == 0);
  }
  other.close();
}

TEST_CASE("more messages than may be held leave") {
  Fixture f;
  std::deque<test::Pair> pairs;
  test::Recorder recorder;
  std::deque<net::Connection> connections;
  for (std::size_t index = 0; index <= net::Gather::held_limit; ++index) {
    pairs.push_back(test::socket_pair());
    connections.emplace_back(f.loop, recorder).adopt(pairs.back().near.release());
    connections.back().write(std::string_view("bytes"));
  }
  f.loop.gather().settle();
  std::size_t sent = 0;
  for (const net::Connection& connection : connections)
    sent += connection.sent_bytes();
  CHECK(sent == 5);
  f.loop.gather().flush();
  for (std::size_t index = 0; index < connections.size(); ++index) {
    CHECK(pairs[index].far.receive() == "bytes");
    connections[index].close();
  }
}

TEST_CASE("more parts than one call takes leave in order") {
  Fixture f;
  std::string expected;
  const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  for (std::size_t part = 0; part < 3 * net::Gather::parts_limit + 5; ++part) {
    const std::string_view one = std::string_view(letters).substr(part % 26, 1);
    if (part % 3 == 0) {
      f.write_in_place(one);
    } else {
      f.write(one);
    }
    expected += one;
  }
  f.loop.gather().flush();
  f.pair.far.drain();
  CHECK(f.pair.far.received() == expected);
}

TEST_CASE("scratch that is used up is sent off and used anew; more than it holds is refused") {
  Fixture f;
  std::string expected;
  for (int block = 0; block < 3; ++block) {
    const std::string bytes(net::Gather::scratch_bytes / 2 + 100, static_cast<char>('a' + block));
    f.write_in_place(bytes);
    expected += bytes;
    f.pair.far.drain();
  }
  f.loop.gather().flush();
  f.pair.far.drain();
  CHECK(f.pair.far.received() == expected);
  CHECK(f.connection.write_scratch(net::Gather::scratch_bytes + 1).empty());
}

TEST_CASE("what the kernel does not take is queued, told when it has left, and arrives in order") {
  Fixture f;
  std::string written = fill(f);
  while (f.connection.queued_bytes() < net::queue_high_bytes) {
    const std::string block(10'000, '#');
    f.write(block);
    f.connection.flush();
    written += block;
  }
  settle(f.loop);
  CHECK(f.recorder.drained == 0);
  std::size_t queued_at_drained = 0;
  f.recorder.when_drained = [&] {
    if (f.recorder.drained == 1) queued_at_drained = f.connection.queued_bytes();
  };
  CHECK(test::run_until(f.loop, [&] {
    f.pair.far.receive(4096);  // slowly
    return f.pair.far.received().size() == written.size();
  }));
  CHECK(f.pair.far.received() == written);
  CHECK(f.recorder.drained >= 1);
  CHECK(queued_at_drained <= net::queue_low_bytes);
  CHECK(f.connection.queued_bytes() == 0);
  CHECK(f.connection.sent_bytes() == written.size());
}

TEST_CASE("ending the writing side lets all that is queued out first, and reading goes on") {
  Fixture f;
  const std::string written = fill(f);
  f.connection.end_writing();
  CHECK(test::run_until(f.loop, [&] {
    f.pair.far.drain();
    return f.pair.far.ended();
  }));
  CHECK(f.pair.far.received() == written);
  f.pair.far.send("still here");
  settle(f.loop);
  CHECK(f.recorder.received == "still here");
  CHECK(f.connection.open());
}

TEST_CASE("ending the writing side at once sends what the callback has written") {
  Fixture f;
  f.write("last words");
  f.connection.end_writing();
  f.pair.far.drain();
  CHECK(f.pair.far.received() == "last words");
  CHECK(f.pair.far.ended());
}

TEST_CASE("close sends what the callback has written, and writing to a closed connection is nothing") {
  Fixture f;
  f.write("bye");
  f.connection.close();
  f.write("lost");
  f.connection.flush();
  f.pair.far.drain();
  CHECK(f.pair.far.received() == "bye");
  CHECK(f.pair.far.ended());
  CHECK_FALSE(f.connection.open());
  settle(f.loop);
  CHECK(f.recorder.failures == 0);
}

TEST_CASE("abort resets: the peer sees no clean end, and nothing of what was gathered") {
  Fixture f(test::tcp_pair());
  f.write("lost");
  f.connection.abort();
  f.pair.far.drain();
  CHECK(f.pair.far.received().empty());
  CHECK_FALSE(f.pair.far.ended());
  CHECK(f.pair.far.error() == ECONNRESET);
}

TEST_CASE("a write that meets a reset still lets the peer's unread answer in, then fails once") {
  Fixture f(test::tcp_pair());
  f.connection.pause_reading();
  f.write("never read");
  f.connection.flush();
  REQUIRE(f.pair.far.send("answer") == 6);
  f.pair.far.close();  // with bytes unread: a reset
  settle(f.loop);
  f.write("more");
  f.connection.flush();
  f.connection.resume_reading();
  CHECK(test::run_until(f.loop, [&] { return f.recorder.failures > 0; }));
  settle(f.loop);
  CHECK(f.recorder.received == "answer");
  CHECK(f.recorder.failures == 1);
  CHECK_FALSE(f.recorder.ended);
}

// The failure was once told after the first read, and the rest of the answer lost.
TEST_CASE("an unread answer longer than one read is delivered whole before the failure of a write") {
  Fixture f;
  f.connection.pause_reading();
  f.write("never read");
  f.connection.flush();
  std::string answer;
  for (;;) {
    const std::string block(20'000, static_cast<char>('a' + answer.size() / 20'000 % 26));
    const std::size_t taken = f.pair.far.send(block);
    answer += block.substr(0, taken);
    if (taken < block.size()) break;
  }
  REQUIRE(answer.size() > net::Loop::read_buffer_bytes);
  f.pair.far.close();
  f.write("more");
  f.connection.flush();
  f.connection.resume_reading();
  CHECK(test::run_until(f.loop, [&] { return f.recorder.failures > 0; }));
  CHECK(f.recorder.received.size() == answer.size());
  CHECK(f.recorder.received == answer);
}

TEST_CASE("a peer that takes no bytes for the write timeout is a failure; one that takes some is not") {
  Fixture f;
  f.connection.set_write_timeout(&f.loop.timers().list(std::chrono::milliseconds(200)));
  fill(f);
  SUBCASE("takes none") {
    CHECK(test::run_until(f.loop, [&] { return f.recorder.failures > 0; }));
    CHECK(f.recorder.failure == ETIMEDOUT);
  }
  SUBCASE("takes all") {
    CHECK(test::run_until(f.loop, [&] {
      f.pair.far.drain();
      return f.connection.queued_bytes() == 0;
    }));
    // Stopping the timer leaves its deadline: the loop wakes once for nothing.
    CHECK(test::run_until(f.loop,
                          [&] { return f.loop.timers().next_deadline_ms() == net::TimerQueue::never; }));
    CHECK(f.recorder.failures == 0);
  }
}
