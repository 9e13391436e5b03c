#include "azulb/base/line_sink.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

using azulb::base::LineOutput;
using azulb::base::LineProducer;
using azulb::base::LineSink;

namespace {

/// A directory of its own, removed at the end.
class Directory {
 public:
  Directory() {
    char pattern[] = "/tmp/azulb-line-sink-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    path_ = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool write_line(LineProducer& producer, std::string_view line) {
  char* room = producer.reserve(256);
  if (room == nullptr) return false;
  std::memcpy(room, line.data(), line.size());
  room[line.size()] = '\n';
  producer.commit(line.size() + 1);
  return true;
}

/// Waits for a condition, ten seconds at most.
template <typename Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

/// Reads what a descriptor has until `wanted` lines came or the writer closed it; ten seconds at most without
/// a byte.
std::string read_until_end(int descriptor) {
  std::string text;
  char block[65536];
  while (true) {
    pollfd watched{descriptor, POLLIN, 0};
    if (poll(&watched, 1, 10'000) <= 0) break;
    const ssize_t size = read(descriptor, block, sizeof block);
    if (size <= 0) break;
    text.append(block, static_cast<std::size_t>(size));
  }
  return text;
}

}  // namespace

TEST_CASE(
    "lines of several workers arrive whole and in each worker's order, through a ring they wrap many times") {
  const Directory directory;
  constexpr int workers = 3;
  constexpr int lines = 20'000;
  {
    auto sink = LineSink::open(directory.file("access.log"));
    REQUIRE(sink);
    std::vector<std::thread> threads;
    for (int worker = 0; worker < workers; ++worker) {
      LineProducer& producer = (*sink)->add_producer(4096);
      threads.emplace_back([&producer, worker] {
        for (int i = 0; i < lines; ++i) {
          // Lengths that never fall into step with the ring's.
          const std::string line = std::to_string(worker) + " " + std::to_string(i) + " " +
                                   std::string(static_cast<std::size_t>(i * 7 % 193), 'x');
          while (!write_line(producer, line))
            std::this_thread::yield();
        }
      });
    }
    for (std::thread& thread : threads)
      thread.join();
  }
  std::ifstream file(directory.file("access.log"));
  std::vector<int> next(workers, 0);
  int worker = 0;
  int number = 0;
  std::string line;
  bool whole = true;
  while (std::getline(file, line)) {
    std::istringstream parts(line);
    std::string filling;
    parts >> worker >> number >> filling;
    REQUIRE(worker < workers);
    whole = whole && number == next[static_cast<std::size_t>(worker)]++ &&
            filling == std::string(static_cast<std::size_t>(number * 7 % 193), 'x');
  }
  CHECK(whole);
  CHECK(next == std::vector<int>(workers, lines));
}

TEST_CASE("a line appears although the worker signals nothing and the ring is nearly empty") {
  const Directory directory;
  auto sink = LineSink::open(directory.file("access.log"));
  REQUIRE(sink);
  write_line((*sink)->add_producer(), "one");
  CHECK(eventually([&] { return contents(directory.file("access.log")) == "one\n"; }));
}

TEST_CASE("what is reserved and not committed is never written") {
  const Directory directory;
  {
    auto sink = LineSink::open(directory.file("access.log"));
    REQUIRE(sink);
    LineProducer& producer = (*sink)->add_producer();
    std::memcpy(producer.reserve(100), "secret\n", 7);
    producer.commit(0);
    write_line(producer, "public");
  }
  CHECK(contents(directory.file("access.log")) == "public\n");
}

TEST_CASE(
    "with a reader that reads nothing lines are dropped and counted, the worker goes on, and the rest "
    "arrives") {
  const Directory directory;
  const std::string path = directory.file("pipe");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  auto sink = LineSink::open(path);
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer(8192);
  const std::string line(199, 'x');
  std::uint64_t committed = 0;
  REQUIRE(eventually([&] {
    if (write_line(producer, line)) ++committed;
    return (*sink)->dropped_lines() > 1000;
  }));
  CHECK((*sink)->lost_lines() == 0);
  std::thread stopper([&] {
    (*sink)->stop();
    sink->reset();
  });
  const std::string text = read_until_end(reader);
  stopper.join();
  close(reader);
  CHECK(text.size() == committed * 200);
  CHECK(static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) == committed);
}

TEST_CASE("stop ends although nobody reads, and counts what was lost") {
  const Directory directory;
  const std::string path = directory.file("pipe");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  // The pipe takes less than the ring holds.
  REQUIRE(fcntl(reader, F_SETPIPE_SZ, 4096) == 4096);
  auto sink = LineSink::open(path);
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer(8192);
  REQUIRE(eventually([&] { return !write_line(producer, std::string(199, 'x')); }));
  (*sink)->stop();
  CHECK((*sink)->lost_lines() > 0);
  close(reader);
}

TEST_CASE("when the reader goes lines are lost and counted, and a new reader gets the next ones") {
  const Directory directory;
  const std::string path = directory.file("pipe");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  auto sink = LineSink::open(path);
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer();
  close(reader);
  write_line(producer, "lost");
  REQUIRE(eventually([&] { return (*sink)->lost_lines() == 1; }));
  reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  write_line(producer, "kept");
  (*sink)->stop();
  sink->reset();
  CHECK(read_until_end(reader) == "kept\n");
  close(reader);
}

TEST_CASE("a full disk loses lines, not the sink") {
  auto sink = LineSink::open("/dev/full");
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer();
  write_line(producer, "one");
  REQUIRE(eventually([&] { return (*sink)->lost_lines() == 1; }));
  write_line(producer, "two");
  CHECK(eventually([&] { return (*sink)->lost_lines() == 2; }));
}

TEST_CASE("reopen goes on in a new file after the old one was moved away") {
  const Directory directory;
  const std::string path = directory.file("access.log");
  auto sink = LineSink::open(path);
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer();
  write_line(producer, "old");
  REQUIRE(eventually([&] { return contents(path) == "old\n"; }));
  std::filesystem::rename(path, path + ".1");
  (*sink)->reopen();
  REQUIRE(eventually([&] { return std::filesystem::exists(path); }));
  write_line(producer, "new");
  (*sink)->stop();
  CHECK(contents(path) == "new\n");
  CHECK(contents(path + ".1") == "old\n");
}

TEST_CASE("a file that cannot be opened is an error that names it and the remedy") {
  const auto sink = LineSink::open("/nonexistent/directory/access.log");
  REQUIRE_FALSE(sink);
  CHECK(sink.error().message.find("/nonexistent/directory/access.log") != std::string::npos);
  CHECK(sink.error().message.find("create its directory first") != std::string::npos);
  CHECK(sink.error().system_error == ENOENT);
}

TEST_CASE("a redirected sink writes what came before to the old output and the rest to the new") {
  const Directory directory;
  auto sink = LineSink::open(directory.file("old"));
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer();
  for (int number = 0; number < 100; ++number)
    write_line(producer, "before");
  (*sink)->redirect(std::move(*LineOutput::open(directory.file("new"))));
  CHECK((*sink)->output() == directory.file("new"));
  write_line(producer, "after");
  (*sink)->stop();
  const std::string old = contents(directory.file("old"));
  CHECK(std::count(old.begin(), old.end(), '\n') == 100);
  CHECK(old.find("after") == std::string::npos);
  CHECK(contents(directory.file("new")) == "after\n");
}

TEST_CASE("a sink that was off begins when it is redirected, and one that is turned off drops") {
  const Directory directory;
  auto sink = LineSink::open("off");
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer();
  (*sink)->redirect(std::move(*LineOutput::open(directory.file("log"))));
  CHECK((*sink)->enabled());
  write_line(producer, "one");
  REQUIRE(eventually([&] { return contents(directory.file("log")) == "one\n"; }));
  (*sink)->redirect(std::move(*LineOutput::open("off")));
  CHECK_FALSE((*sink)->enabled());
  write_line(producer, "none");  // of a worker that has not heard of it
  (*sink)->redirect(std::move(*LineOutput::open(directory.file("log"))));
  write_line(producer, "two");
  (*sink)->stop();
  CHECK(contents(directory.file("log")) == "one\ntwo\n");
  CHECK((*sink)->dropped_lines() == 0);
}

TEST_CASE("a line goes where the redirection just before it says, however soon the next comes") {
  const Directory directory;
  auto sink = LineSink::open(directory.file("log"));
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer();
  constexpr std::ptrdiff_t turns = 2000;
  for (std::ptrdiff_t turn = 0; turn < turns; ++turn) {
    (*sink)->redirect(std::move(*LineOutput::open("off")));
    write_line(producer, "none");
    (*sink)->redirect(std::move(*LineOutput::open(directory.file("log"))));
    write_line(producer, "line");
  }
  (*sink)->stop();
  const std::string log = contents(directory.file("log"));
  CHECK(std::count(log.begin(), log.end(), '\n') == turns);
  CHECK(log.find("none") == std::string::npos);
}

TEST_CASE("redirections follow each other while lines come") {
  const Directory directory;
  auto sink = LineSink::open(directory.file("0"));
  REQUIRE(sink);
  LineProducer& producer = (*sink)->add_producer();
  constexpr int turns = 50;
  for (int turn = 1; turn < turns; ++turn) {
    write_line(producer, "line");
    (*sink)->redirect(std::move(*LineOutput::open(directory.file(std::to_string(turn)))));
  }
  (*sink)->stop();
  std::size_t bytes = 0;
  for (int turn = 0; turn < turns; ++turn)
    bytes += contents(directory.file(std::to_string(turn))).size();
  CHECK(bytes == (turns - 1) * std::strlen("line\n"));
}

TEST_CASE("output off needs no thread and no producer") {
  auto sink = LineSink::open("off");
  REQUIRE(sink);
  CHECK_FALSE((*sink)->enabled());
  (*sink)->reopen();
  (*sink)->stop();
}
