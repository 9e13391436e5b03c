// What the codec targets share: a connection on one end of a socket pair, the peer's bytes sent in pieces on
// the other, and the events that a stream's reader is told as one text that must not depend on the pieces.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/http/defect.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"
#include "splitter.hpp"

namespace azulb::fuzz {

/// One for all inputs of a run.
inline net::Loop& shared_loop() {
  static net::Loop loop;
  return loop;
}

/// The peer's end of the pair; `near` is for the connection, which owns it once it has adopted it.
class Wire {
 public:
  Wire() {
    int both[2];
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both) == 0);
    near = both[0];
    far_ = both[1];
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { ::close(far_); }

  /// Sends `bytes` at once, and lets the loop do what follows from them.
  void send(std::string_view bytes) {
    const ssize_t count = ::send(far_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // Closed by azulb, it reaches no one.
    FUZZ_CHECK(count < 0 ? errno == EPIPE || errno == ECONNRESET
                         : static_cast<std::size_t>(count) == bytes.size());
    settle();
  }

  /// Sends `bytes` in pieces as `seed` says. `catch_up` does what a codec's user has left for a quiet moment
  /// (false: nothing): after the last piece, and after each where they are cut at random.
  template <typename CatchUp>
  void play(std::string_view bytes, std::uint64_t seed, CatchUp&& catch_up) {
    Splitter splitter(seed);
    for (std::size_t sent = 0; sent < bytes.size();) {
      const std::size_t have = grow(sent, bytes.size(), splitter);
      send(bytes.substr(sent, have - sent));
      sent = have;
      if (seed > 1 || sent == bytes.size()) rest(catch_up);
    }
  }

  /// Until there is nothing left to catch up on.
  template <typename CatchUp>
  void rest(CatchUp&& catch_up) {
    while (catch_up())
      settle();
  }

  /// Turns of the loop until nothing is left to do, taking what azulb sends.
  void settle() {
    for (int quiet = 0; quiet < 3; ++quiet) {
      shared_loop().run_once(std::chrono::milliseconds(0));
      if (receive()) quiet = 0;
    }
  }

  void end_writing() {
    shutdown(far_, SHUT_WR);
    settle();
  }

  /// Turns of the loop until `done()`, for what azulb puts off by some milliseconds.
  template <typename Done>
  void settle_until(Done&& done) {
    for (int turn = 0; turn < 100 && !done(); ++turn) {
      shared_loop().run_once(std::chrono::milliseconds(10));
      receive();
    }
  }

  const std::string& received() const { return received_; }

  int near = -1;

 private:
  bool receive() {
    std::array<char, 16384> bytes;
    const ssize_t count = recv(far_, bytes.data(), bytes.size(), 0);
    if (count > 0) received_.append(bytes.data(), static_cast<std::size_t>(count));
    return count > 0;
  }

  int far_ = -1;
  std::string received_;
};

/// How an input's bytes are cut: whole, at random in two ways, and byte by byte if that is not too much, as
/// it costs a turn of the loop each.
inline std::vector<std::uint64_t> ways_to_cut(std::size_t size) {
  std::vector<std::uint64_t> seeds{0, 2 + size, 77 + size * 3};
  if (size <= 256) seeds.push_back(1);
  return seeds;
}

/// What readers were told. Body bytes are gathered: how many come at a time is the network's business.
class Transcript {
 public:
  void add(std::string_view event) {
    close_body();
    text_ += event;
    text_ += '\n';
  }
  void add_body(std::span<const char> bytes) { body_.append(bytes.data(), bytes.size()); }
  void add_fields(std::span<const http::Field> fields) {
    for (const http::Field& field : fields) {
      text_.append(field.name).append(": ").append(field.value) += '\n';
    }
  }
  void add_failure(const http::StreamFailure& failure) {
    add("failure " + std::to_string(static_cast<int>(failure.kind)) + " " +
        std::string(http::defect_word(failure.defect)));
  }
  const std::string& finish() {
    close_body();
    return text_;
  }

 private:
  void close_body() {
    if (!body_.empty()) text_ += "body " + body_ + '\n';
    body_.clear();
  }
  std::string text_;
  std::string body_;
};

inline void check_same(const std::string& whole, const std::string& split, const char* what) {
  if (whole == split) return;
  std::fprintf(stderr, "%s depends on the split\n--- whole\n%s\n--- split\n%s\n", what, whole.c_str(),
               split.c_str());
  std::abort();
}

}  // namespace azulb::fuzz
