#include "azulb/daemon/handover.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace azulb::daemon;

TEST_CASE("what is handed down arrives as it was") {
  const Handover handover{
      .predecessor = 4711,
      .channel = 3,
      .pid_file = -1,
      .servers = 5,
      .sockets = {{.listener = "a \"name\":,", .managed = false, .named = false, .descriptors = {5, 6, 7}},
                  {.listener = "", .managed = true, .named = true, .descriptors = {8}}}};
  const auto parsed = Handover::parse(handover.text());
  REQUIRE(parsed);
  CHECK(parsed->predecessor == 4711);
  CHECK(parsed->channel == 3);
  CHECK(parsed->pid_file == -1);
  CHECK(parsed->servers == 5);
  REQUIRE(parsed->sockets.size() == 2);
  CHECK(parsed->sockets[0].listener == "a \"name\":,");
  CHECK(parsed->sockets[0].descriptors == std::vector<int>{5, 6, 7});
  CHECK_FALSE(parsed->sockets[0].managed);
  CHECK(parsed->sockets[1].managed);
  CHECK(parsed->sockets[1].named);
}

TEST_CASE("what a later version says besides is left alone") {
  const auto parsed = Handover::parse(
      R"({"predecessor": 1, "channel": 3, "pid_file": 4, "sockets": [], "state": {"servers": 3}})");
  REQUIRE(parsed);
  CHECK(parsed->pid_file == 4);
  CHECK(parsed->servers == -1);
  const SuccessorMessage message = parse_successor_message(R"({"ready": true, "left": [5], "mood": "good"})");
  CHECK(message.ready);
  CHECK(message.left == std::vector<int>{5});
}

TEST_CASE("nonsense is no handover, and says nothing") {
  for (const char* text : {"", "{}", "[]", "1", R"({"predecessor": "x"})",
                           R"({"predecessor": 1, "channel": 3, "pid_file": 4, "sockets": [{}]})"}) {
    CAPTURE(text);
    CHECK_FALSE(Handover::parse(text));
    CHECK_FALSE(parse_successor_message(text).ready);
    CHECK_FALSE(is_serve_message(text));
  }
}

TEST_CASE("messages are understood at the other end") {
  const SuccessorMessage ready = parse_successor_message(ready_message({5, 9}));
  CHECK(ready.ready);
  CHECK(ready.left == std::vector<int>{5, 9});
  const SuccessorMessage failed = parse_successor_message(failed_message("a.toml:1:1: error\n  \xff\n"));
  CHECK_FALSE(failed.ready);
  CHECK(failed.failed.starts_with("a.toml:1:1: error\n"));
  CHECK(is_serve_message(serve_message()));
  CHECK_FALSE(is_serve_message(ready_message({})));
  CHECK(failed_message(std::string(1 << 20, 'x')).size() < 100 * 1024);  // it leaves in one piece
}
