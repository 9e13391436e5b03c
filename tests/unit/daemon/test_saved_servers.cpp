#include <doctest/doctest.h>

#include <string>

#include "azulb/daemon/server_changes.hpp"

using namespace azulb::daemon;
using azulb::balance::AdminState;

namespace {

SavedServers servers() {
  SavedServers saved;
  saved.amendments["app"].added = {{"seven", {"10.0.0.7", 3000, false}, 3},
                                   {"unix:/run/a", {"/run/a", 0, true}, 1}};
  saved.amendments["app"].removed = {{"10.0.0.1:3000", false}};
  saved.changes["app"]["10.0.0.2:3000"] = {.admin_state = AdminState::draining, .weight = {{5, 1}}};
  saved.changes["other"]["[::1]:80"] = {.admin_state = AdminState::disabled, .weight = {}};
  return saved;
}

std::string error_of(const std::string& text) {
  const auto read = read_servers(text);
  return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("What was changed of servers is read as it was written") {
  const std::string text = write_servers(servers());
  const auto read = read_servers(text);
  REQUIRE_MESSAGE(read.has_value(), error_of(text));
  CHECK(*read == servers());
  CHECK(*read_servers(write_servers({})) == SavedServers{});
}

TEST_CASE("An upstream of which nothing is changed does not stand in the file") {
  SavedServers saved;
  saved.amendments["app"] = {};
  CHECK(write_servers(saved) == write_servers({}));
}

TEST_CASE("Anything else is no such file, wherever it goes wrong") {
  const std::string text = write_servers(servers());
  for (std::size_t size = 0; size + 2 < text.size(); size += 7) {
    CAPTURE(size);
    CHECK_FALSE(error_of(text.substr(0, size)).empty());
  }
  const auto with = [&text](const std::string& part, const std::string& other) {
    std::string changed = text;
    const std::size_t at = changed.find(part);
    REQUIRE(at != std::string::npos);
    return changed.replace(at, part.size(), other);
  };
  CHECK(error_of("[]") != "");
  CHECK(error_of("{}") != "");
  CHECK(error_of(with("\"version\": 1", "\"version\": 2")) ==
        "its version is 2, and this azulb knows 1 only");
  CHECK(error_of(with("draining", "dreaming")) == "\"admin_state\": unknown word \"dreaming\"");
  CHECK(error_of(with("\"weight\": 5", "\"weight\": 65536")) == "\"weight\": 65536 is no weight");
  CHECK(error_of(with("\"weight\": 3", "\"weight\": 0")).find("between 1 and 65535") != std::string::npos);
  CHECK(error_of(with("10.0.0.7:3000", "app7:3000")) == "\"added\": app7:3000 is a name, no address");
  CHECK(error_of(with("\"removed\"", "\"remove\"")).find("removed") != std::string::npos);
}
