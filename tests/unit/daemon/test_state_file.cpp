#include "azulb/daemon/state_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "azulb/net/loop.hpp"
#include "listening.hpp"

using namespace azulb;
using namespace std::chrono_literals;
using daemon::StateFile;

namespace {

struct Fixture {
  std::string text(const std::string& name = "state") const {
    std::ostringstream text;
    text << std::ifstream(directory.file(name)).rdbuf();
    return text.str();
  }
  /// Turns the loop until the file is so.
  bool becomes(const std::string& wanted, const std::string& name = "state") {
    for (int turn = 0; turn < 2000 && text(name) != wanted; ++turn)
      loop.run_once(10ms);
    return text(name) == wanted;
  }

  const test::Directory directory;
  net::Loop loop;
  daemon::Background background{loop};
  StateFile file{background};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "a file that is not there holds nothing, and one that cannot be read is an error") {
  const auto none = StateFile::read(directory.file("state"));
  REQUIRE(none);
  CHECK_FALSE(none->has_value());
  CHECK_FALSE(StateFile::read(directory.file("")));  // a directory
  std::ofstream(directory.file("state")) << "text";
  CHECK(*StateFile::read(directory.file("state")) == "text");
}

TEST_CASE_FIXTURE(Fixture, "the last of many texts is what the file holds, and nothing is left beside it") {
  file.set_path(directory.file("state"));
  for (int number = 0; number <= 100; ++number)
    file.write(std::to_string(number));
  CHECK(becomes("100"));
  CHECK_FALSE(std::filesystem::exists(directory.file("state.new")));
  CHECK((std::filesystem::status(directory.file("state")).permissions() &
         std::filesystem::perms::others_all) == std::filesystem::perms::none);
}

TEST_CASE_FIXTURE(Fixture,
                  "at the end the last text is there at once, and no thread that was late replaces it") {
  file.set_path(directory.file("state"));
  for (int number = 0; number < 20; ++number) {
    file.write("earlier " + std::to_string(number));
    file.write("last " + std::to_string(number));
    file.finish();
    CHECK(text() == "last " + std::to_string(number));
  }
  for (int turn = 0; turn < 20; ++turn)
    loop.run_once(1ms);
  CHECK(text() == "last 19");
}

TEST_CASE_FIXTURE(Fixture, "what waits to be written is not, once the file is no longer ours") {
  file.set_path(directory.file("state"));
  file.write("first");
  file.write("second");  // waits for the first
  file.set_path("");
  CHECK(becomes("first"));
  for (int turn = 0; turn < 20; ++turn)
    loop.run_once(1ms);
  file.finish();
  CHECK(text() == "first");
}

TEST_CASE_FIXTURE(Fixture, "another path gets the text, though the former one has it") {
  file.set_path(directory.file("state"));
  file.write("text");
  CHECK(becomes("text"));
  file.set_path(directory.file("other"));
  file.write("text");
  CHECK(becomes("text", "other"));
}

TEST_CASE_FIXTURE(Fixture, "what could not be written is written at the end, if it can be by then") {
  file.set_path(directory.file("later/state"));
  file.write("text");
  for (int turn = 0; turn < 20; ++turn)
    loop.run_once(1ms);
  std::filesystem::create_directory(directory.file("later"));
  file.finish();
  CHECK(text("later/state") == "text");
}

TEST_CASE_FIXTURE(Fixture, "a symbolic link in the place of the new text is not followed") {
  std::ofstream(directory.file("victim")) << "kept";
  std::filesystem::create_symlink(directory.file("victim"), directory.file("state.new"));
  file.set_path(directory.file("state"));
  file.write("text");
  file.finish();
  CHECK(text("victim") == "kept");
}

TEST_CASE_FIXTURE(Fixture, "a file that makes no sense is moved aside") {
  std::ofstream(directory.file("state")) << "nonsense";
  REQUIRE(StateFile::set_aside(directory.file("state")));
  CHECK(text("state.bad") == "nonsense");
  CHECK_FALSE(std::filesystem::exists(directory.file("state")));
  CHECK_FALSE(StateFile::set_aside(directory.file("state")));
}
