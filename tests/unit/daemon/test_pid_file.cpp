#include "azulb/daemon/pid_file.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "listening.hpp"

using azulb::daemon::PidFile;

namespace {

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

const std::string own_text = std::to_string(getpid()) + "\n";

}  // namespace

TEST_CASE("the file holds the id from its writing until its end") {
  const azulb::test::Directory directory;
  const std::string path = directory.file("pid");
  std::ofstream(path) << "12345678901\n";
  {
    PidFile file;
    REQUIRE(file.open(path, -1));
    CHECK(contents(path) == "12345678901\n");
    REQUIRE(file.write());
    CHECK(contents(path) == own_text);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("without a path there is nothing, and one that cannot be had is an error") {
  PidFile none;
  CHECK(none.open("", -1));
  CHECK(none.write());
  CHECK(none.descriptor() == -1);
  PidFile wrong;
  const auto opened = wrong.open("/no/such/directory/pid", -1);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message.find("/no/such/directory/pid") != std::string::npos);
}

TEST_CASE("a successor goes on with the file, and one that fails leaves it as it is") {
  const azulb::test::Directory directory;
  const std::string path = directory.file("pid");
  std::optional<PidFile> first(std::in_place);
  REQUIRE(first->open(path, -1));
  REQUIRE(first->write());
  {
    PidFile failed;
    REQUIRE(failed.open(path, dup(first->descriptor())));
    CHECK(failed.is_inherited());
  }
  CHECK(contents(path) == own_text);
  {
    PidFile second;
    REQUIRE(second.open(path, dup(first->descriptor())));
    first->give_up();
    first.reset();
    REQUIRE(second.write());
    CHECK(contents(path) == own_text);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("an inherited descriptor of another file is let go") {
  const azulb::test::Directory directory;
  PidFile first;
  REQUIRE(first.open(directory.file("one"), -1));
  PidFile second;
  REQUIRE(second.open(directory.file("two"), dup(first.descriptor())));
  CHECK_FALSE(second.is_inherited());
  REQUIRE(second.write());
  CHECK(contents(directory.file("one")).empty());
  CHECK(contents(directory.file("two")) == own_text);
}
