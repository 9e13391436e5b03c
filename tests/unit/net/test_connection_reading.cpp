#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <optional>
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
  }
  Fixture() : Fixture(test::socket_pair()) {}
  ~Fixture() { connection.close(); }

  net::Loop loop;
  test::Pair pair;
  test::Recorder recorder;
  net::Connection connection{loop, recorder};
};

std::string pattern(std::size_t size_bytes) {
  std::string bytes(size_bytes, '\0');
  for (std::size_t index = 0; index < size_bytes; ++index)
    bytes[index] = static_cast<char>('a' + index % 23);
  return bytes;
}

}  // namespace

TEST_CASE("bytes are delivered as they come") {
  Fixture f;
  settle(f.loop);
  CHECK(f.recorder.deliveries == 0);
  f.pair.far.send("one");
  settle(f.loop);
  f.pair.far.send("two");
  settle(f.loop);
  CHECK(f.recorder.received == "onetwo");
  CHECK(f.recorder.deliveries == 2);
  CHECK(f.connection.received_bytes() == 6);
  CHECK(f.connection.unconsumed_bytes() == 0);
}

TEST_CASE("bytes that came before the connection was adopted need no event") {
  net::Loop loop;
  test::Pair pair = test::socket_pair();
  pair.far.send("early");
  test::Recorder recorder;
  net::Connection connection(loop, recorder);
  connection.adopt(pair.near.release());
  CHECK(recorder.deliveries == 0);  // never from within
  loop.run_once(std::chrono::milliseconds(0));
  CHECK(recorder.received == "early");
  connection.close();
}

TEST_CASE("where an end is expected, what comes is noticed a moment later") {
  Fixture f;
  f.recorder.when_bytes = [&](std::string_view) {
    f.connection.expect_no_input();
    f.connection.pause_reading();
  };
  f.pair.far.send("request");
  f.loop.run_once(std::chrono::milliseconds(0));
  REQUIRE(f.recorder.deliveries == 1);
  f.recorder.when_bytes = nullptr;
  f.connection.expect_end();
  SUBCASE("an end") {
    f.pair.far.end_writing();
    CHECK(test::run_until(f.loop, [&] { return f.recorder.ended; }));
  }
  SUBCASE("other bytes, and from then on each at once") {
    f.pair.far.send("another");
    CHECK(test::run_until(f.loop, [&] { return f.recorder.deliveries == 2; }));
    f.pair.far.send("third");
    settle(f.loop);
    CHECK(f.recorder.deliveries == 3);
  }
  SUBCASE("nothing: then it is watched") {
    std::int64_t turns = 0;
    test::run_until(f.loop, [&] { return ++turns == 10; });
    f.pair.far.send("late");
    settle(f.loop);
    CHECK(f.recorder.deliveries == 2);
  }
}

TEST_CASE("a descriptor that is no socket fails, and is told once") {
  net::Loop loop;
  test::Recorder recorder;
  net::Connection connection(loop, recorder);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  connection.adopt(null);
  settle(loop);
  CHECK(recorder.failures == 1);
  connection.close();
  CHECK(fcntl(null, F_GETFD) == -1);
}

TEST_CASE("what is not consumed is offered again together with what follows, and not before") {
  Fixture f;
  f.recorder.consume_limit = 2;
  f.pair.far.send("abcd");
  settle(f.loop);
  CHECK(f.recorder.received == "ab");
  CHECK(f.recorder.deliveries == 1);
  CHECK(f.connection.unconsumed_bytes() == 2);
  f.recorder.consume_limit = 0;
  f.pair.far.send("e");
  settle(f.loop);
  CHECK(f.recorder.offered == "cde");
  f.recorder.consume_limit = 100;
  f.pair.far.send("fg");
  settle(f.loop);
  CHECK(f.recorder.offered == "cdefg");
  CHECK(f.recorder.received == "abcdefg");
  CHECK(f.connection.unconsumed_bytes() == 0);
}

TEST_CASE("while reading is paused nothing is delivered; resumed, everything is, in order") {
  Fixture f;
  f.recorder.consume_limit = 1;
  f.pair.far.send("abc");
  settle(f.loop);
  f.connection.pause_reading();
  f.pair.far.send("def");
  f.pair.far.end_writing();
  settle(f.loop);
  CHECK(f.recorder.deliveries == 1);
  CHECK_FALSE(f.recorder.ended);
  f.recorder.consume_limit = 100;
  f.connection.resume_reading();
  CHECK(f.recorder.deliveries == 1);  // never from within
  settle(f.loop);
  CHECK(f.recorder.received == "abcdef");
  CHECK(f.recorder.ended);
}

TEST_CASE("resuming offers what is unconsumed though nothing new has come") {
  Fixture f;
  f.recorder.consume_limit = 0;
  f.pair.far.send("abc");
  settle(f.loop);
  f.recorder.consume_limit = 100;
  f.connection.resume_reading();
  settle(f.loop);
  CHECK(f.recorder.received == "abc");
  CHECK(f.recorder.deliveries == 2);
}

TEST_CASE("a handler that pauses in its callback gets no more in that turn") {
  Fixture f;
  f.recorder.when_bytes = [&](std::string_view) { f.connection.pause_reading(); };
  const std::string sent = pattern(150'000);
  const std::size_t taken = f.pair.far.send(sent);
  settle(f.loop);
  CHECK(f.recorder.deliveries == 1);
  CHECK(f.recorder.received.size() <= net::Loop::read_buffer_bytes);
  f.recorder.when_bytes = nullptr;
  f.connection.resume_reading();
  CHECK(test::run_until(f.loop, [&] { return f.recorder.received.size() == taken; }));
  CHECK(f.recorder.received == sent.substr(0, taken));
}

TEST_CASE("a megabyte arrives whole and in order, one read buffer at a time") {
  Fixture f;
  const std::string sent = pattern(1'000'000);
  std::size_t at = 0;
  CHECK(test::run_until(f.loop, [&] {
    at += f.pair.far.send(std::string_view(sent).substr(at));
    return f.recorder.received.size() == sent.size();
  }));
  CHECK(f.recorder.received == sent);
  CHECK(f.recorder.largest_delivery <= net::Loop::read_buffer_bytes);
}

TEST_CASE("the peer's end is told once, after all it sent") {
  Fixture f;
  const std::size_t taken = f.pair.far.send(pattern(150'000));
  f.pair.far.end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.recorder.ended; }));
  CHECK(f.recorder.received_at_end == taken);
  CHECK(f.connection.ended());
  CHECK(f.connection.open());
  f.recorder.ended = false;
  settle(f.loop);
  CHECK_FALSE(f.recorder.ended);
}

TEST_CASE("after the peer's end, writing goes on, and what is unconsumed can be offered again") {
  Fixture f;
  f.recorder.consume_limit = 0;
  f.pair.far.send("question");
  f.pair.far.end_writing();
  CHECK(test::run_until(f.loop, [&] { return f.recorder.ended; }));
  f.connection.write(std::string_view("answer"));
  f.connection.flush();
  f.pair.far.drain();
  CHECK(f.pair.far.received() == "answer");
  f.recorder.consume_limit = 100;
  f.connection.resume_reading();
  settle(f.loop);
  CHECK(f.recorder.received == "question");
}

TEST_CASE("a handler that closes the connection in its callback is called no more") {
  Fixture f;
  f.recorder.when_bytes = [&](std::string_view) { f.connection.close(); };
  f.pair.far.send("bye");
  f.pair.far.end_writing();
  settle(f.loop);
  CHECK(f.recorder.deliveries == 1);
  CHECK_FALSE(f.recorder.ended);
  CHECK(f.recorder.failures == 0);
  f.pair.far.drain();
  CHECK(f.pair.far.ended());
}

// The bytes to pass on lay in the connection's own buffer (a head in two reads, then a body and the end),
// which the close gave back while the other connection's write still referred to it.
TEST_CASE("bytes passed on to another connection survive the close of the one they came from") {
  Fixture f;
  test::Pair other_pair = test::socket_pair();
  test::Recorder other_recorder;
  net::Connection other(f.loop, other_recorder);
  other.adopt(other_pair.near.release());
  f.recorder.consume_limit = 0;
  f.pair.far.send("head");
  settle(f.loop);
  f.recorder.when_bytes = [&](std::string_view bytes) {
    other.write(bytes);
    f.connection.close();
  };
  const std::string body = pattern(9000);
  REQUIRE(f.pair.far.send(body) == body.size());
  settle(f.loop);
  other_pair.far.drain();
  CHECK(other_pair.far.received() == "head" + body);
  CHECK(f.connection.unconsumed_bytes() == 0);
  other.close();
}

TEST_CASE("a reset is a failure, once") {
  Fixture f(test::tcp_pair());
  f.pair.far.reset();
  CHECK(test::run_until(f.loop, [&] { return f.recorder.failures > 0; }));
  settle(f.loop);
  CHECK(f.recorder.failure == ECONNRESET);
  CHECK(f.recorder.failures == 1);
  CHECK_FALSE(f.recorder.ended);
}

TEST_CASE("while reading is paused a reset waits, unless it is wanted at once") {
  Fixture f(test::tcp_pair());
  settle(f.loop);
  f.connection.pause_reading();
  SUBCASE("waits") {
    f.pair.far.reset();
    settle(f.loop);
    CHECK(f.recorder.failures == 0);
    f.connection.resume_reading();
    CHECK(test::run_until(f.loop, [&] { return f.recorder.failures > 0; }));
  }
  SUBCASE("at once") {
    f.connection.set_fail_while_paused(true);
    f.pair.far.reset();
    CHECK(test::run_until(f.loop, [&] { return f.recorder.failures > 0; }));
  }
  CHECK(f.recorder.failure == ECONNRESET);
}

TEST_CASE("pending input is bytes or an end in the kernel") {
  Fixture f;
  f.connection.pause_reading();
  CHECK_FALSE(f.connection.has_pending_input());
  SUBCASE("bytes") {
    f.pair.far.send("x");
  }
  SUBCASE("an end") {
    f.pair.far.close();
  }
  CHECK(f.connection.has_pending_input());
}
