#include <doctest/doctest.h>

#include "azulb/config/nearest.hpp"

using azulb::config::edit_distance;
using azulb::config::nearest;

TEST_CASE("the edit distance counts a swap of neighbours as one") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("inof", "info") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest word is guessed only where it is near") {
  CHECK(nearest("adress", {"backlog", "address"}) == "address");
  CHECK(nearest("ADDRESS", {"backlog", "address"}) == "address");
  CHECK(nearest("max_conn", {"max_connections", "max_memory"}) == "max_connections");
  CHECK(nearest("zzz", {"on", "up"}).empty());
  CHECK(nearest("", {"a"}).empty());
  CHECK(nearest("a", {}).empty());
}
