#include "azulb/base/output_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

using azulb::base::OutputFile;

namespace {

/// Standard error is `descriptor` while this lives.
class StandardErrorIs {
 public:
  explicit StandardErrorIs(int descriptor) : saved_(dup(STDERR_FILENO)) { dup2(descriptor, STDERR_FILENO); }
  ~StandardErrorIs() {
    dup2(saved_, STDERR_FILENO);
    close(saved_);
  }

 private:
  int saved_;
};

/// Writes until nothing is taken; returns how much was.
std::size_t fill(OutputFile& file) {
  const std::string block(10'000, 'x');
  std::size_t sum = 0;
  while (true) {
    const auto written = file.write_some(block);
    if (!written) {
      CHECK(written.error().system_error == EAGAIN);
      return sum;
    }
    sum += *written;
    REQUIRE(sum < 100'000'000);
  }
}

}  // namespace

TEST_CASE("a full pipe on standard error does not block, and stays a blocking pipe for others") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  {
    const StandardErrorIs redirected(ends[1]);
    auto file = OutputFile::open("stderr");
    REQUIRE(file);
    CHECK_FALSE(file->is_path());
    CHECK(fill(*file) >= 4096);
    CHECK_FALSE(file->wait_writable(std::chrono::milliseconds{0}));
    CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
    std::array<char, 65536> taken{};
    REQUIRE(read(ends[0], taken.data(), taken.size()) > 0);
    CHECK(file->wait_writable(std::chrono::seconds{10}));
    CHECK(file->write_some("more"));
  }
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("a full socket on standard error does not block, and one whose peer is gone raises no signal") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  {
    const StandardErrorIs redirected(ends[1]);
    auto file = OutputFile::open("stderr");
    REQUIRE(file);
    CHECK(fill(*file) > 0);
    CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
    close(ends[0]);
    const auto written = file->write_some("more");
    REQUIRE_FALSE(written);
    CHECK(written.error().system_error == EPIPE);
  }
  close(ends[1]);
}

TEST_CASE("a directory is not a log file, and the error says what to do") {
  const auto file = OutputFile::open("/tmp");
  REQUIRE_FALSE(file);
  CHECK(file.error().message.find("\"/tmp\"") != std::string::npos);
  CHECK(file.error().message.find("name a file in that directory") != std::string::npos);
}
