#include "azulb/base/log.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using azulb::base::LogLevel;
using azulb::base::LogSettings;

namespace {

/// Sends the process log to a file of its own, and back to stderr at the end.
class LogToFile {
 public:
  explicit LogToFile(LogLevel level, bool json) {
    char pattern[] = "/tmp/azulb-log-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    directory_ = pattern;
    path = directory_ + "/azulb.log";
    REQUIRE(azulb::base::open_log({level, path, json}));
  }
  ~LogToFile() {
    [[maybe_unused]] const auto ignored = azulb::base::open_log(LogSettings{});
    std::filesystem::remove_all(directory_);
  }
  std::vector<std::string> lines() const {
    std::ifstream file(path);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);)
      all.push_back(line);
    return all;
  }

  std::string path;

 private:
  std::string directory_;
};

}  // namespace

TEST_CASE("a text line has the time in UTC, the level and the message") {
  const LogToFile log(LogLevel::info, false);
  azulb::base::log_warn("server {} is {}", "app1", "down");
  const auto lines = log.lines();
  REQUIRE(lines.size() == 1);
  // Digits become d: std::regex draws false warnings from sanitizer builds.
  std::string shape = lines[0].substr(0, 24);
  std::replace_if(
      shape.begin(), shape.end(), [](unsigned char c) { return std::isdigit(c) != 0; }, 'd');
  CHECK(shape == "dddd-dd-ddTdd:dd:dd.dddZ");
  CHECK(lines[0].substr(24) == " warn  server app1 is down");
}

TEST_CASE("lines below the level are not written, nor are their arguments formatted") {
  const LogToFile log(LogLevel::warn, false);
  azulb::base::log_debug("no");
  azulb::base::log_info("no");
  azulb::base::log_warn("yes");
  azulb::base::log_error("yes");
  CHECK(log.lines().size() == 2);
  CHECK_FALSE(azulb::base::log_enabled(LogLevel::info));
  CHECK(azulb::base::log_enabled(LogLevel::error));
}

TEST_CASE("a JSON line is one object with hostile bytes escaped") {
  const LogToFile log(LogLevel::info, true);
  azulb::base::log_error("bad \"name\" \\ \xff and é");
  const auto lines = log.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find(R"(,"level":"error","message":"bad \"name\" \\ \u00ff and é"})") != std::string::npos);
  CHECK(lines[0].rfind(R"({"time":"20)", 0) == 0);
}

TEST_CASE("a message with line breaks and escape sequences stays one line") {
  const LogToFile log(LogLevel::info, false);
  azulb::base::log_info("one\ntwo\x1b[31m");
  const auto lines = log.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find(R"(one\x0Atwo\x1B[31m)") != std::string::npos);
}

TEST_CASE("reopen_log goes on in a new file") {
  const LogToFile log(LogLevel::info, false);
  azulb::base::log_info("old");
  std::filesystem::rename(log.path, log.path + ".1");
  REQUIRE(azulb::base::reopen_log());
  azulb::base::log_info("new");
  const auto lines = log.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("new") != std::string::npos);
}

TEST_CASE("a log file that cannot be opened is an error with the remedy, and the log stays as it was") {
  const LogToFile log(LogLevel::info, false);
  const auto result = azulb::base::open_log({LogLevel::debug, "/nonexistent/azulb.log", false});
  REQUIRE_FALSE(result);
  CHECK(result.error().message.find("/nonexistent/azulb.log") != std::string::npos);
  CHECK(result.error().message.find("create its directory first") != std::string::npos);
  azulb::base::log_info("still here");
  CHECK(log.lines().size() == 1);
}

TEST_CASE("threads that log at once write whole lines") {
  const LogToFile log(LogLevel::info, false);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i)
        azulb::base::log_info("thread {} line {} end", t, i);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  const auto lines = log.lines();
  REQUIRE(lines.size() == 800);
  for (const std::string& line : lines)
    CHECK(line.substr(line.size() - 4) == " end");
}
