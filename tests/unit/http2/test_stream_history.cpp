#include <doctest/doctest.h>

#include "azulb/http2/stream_history.hpp"

using azulb::http2::StreamHistory;
using Past = StreamHistory::Past;

TEST_CASE("before the first stream nothing is known") {
  const StreamHistory history;
  CHECK(history.past(1) == Past::unknown);
  CHECK(history.past(3) == Past::unknown);
}

TEST_CASE("streams that were jumped over were never opened") {
  StreamHistory history;
  history.opened(5);
  CHECK(history.past(1) == Past::skipped);
  CHECK(history.past(3) == Past::skipped);
  CHECK(history.past(5) == Past::unknown);
  CHECK(history.past(7) == Past::unknown);
  CHECK(history.past(4) == Past::unknown);
}

TEST_CASE("a stream that its client has ended is told from one that we have") {
  StreamHistory history;
  history.opened(1);
  history.opened(3);
  history.ended_by_client(1);
  CHECK(history.past(1) == Past::ended);
  CHECK(history.past(3) == Past::unknown);
  history.opened(5);
  CHECK(history.past(1) == Past::ended);
}

TEST_CASE("the 64 latest are remembered") {
  StreamHistory history;
  for (std::int32_t id = 1; id <= 1001; id += 2) {
    history.opened(id);
    history.ended_by_client(id);
  }
  CHECK(history.past(1001) == Past::ended);
  CHECK(history.past(1001 - 2 * 63) == Past::ended);
  CHECK(history.past(1001 - 2 * 64) == Past::unknown);
  history.opened(0x7FFFFFFF);
  CHECK(history.past(1001) == Past::unknown);
  CHECK(history.past(0x7FFFFFFD) == Past::skipped);
}
