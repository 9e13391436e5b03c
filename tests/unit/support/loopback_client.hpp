// A plain blocking client for servers under test. Waits at most ten seconds for anything.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "azulb/base/address.hpp"

namespace azulb::test {

class LoopbackClient {
 public:
  explicit LoopbackClient(const base::SocketAddress& address)
      : descriptor_(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{10, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    REQUIRE(connect(descriptor_, address.get(), address.length()) == 0);
  }
  LoopbackClient(const LoopbackClient&) = delete;
  LoopbackClient& operator=(const LoopbackClient&) = delete;
  ~LoopbackClient() { close(descriptor_); }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      REQUIRE(sent > 0);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void end() { shutdown(descriptor_, SHUT_WR); }

  /// Takes what has come through the first `text`; empty when the server ends before it.
  std::string take_through(std::string_view text) {
    std::size_t at;
    while ((at = received_.find(text)) == std::string::npos) {
      if (!read_some()) return {};
    }
    return take(at + text.size());
  }
  /// Less than `size` bytes only if the server ends before.
  std::string take(std::size_t size) {
    while (received_.size() < size && read_some()) {
    }
    const std::string taken = received_.substr(0, size);
    received_.erase(0, taken.size());
    return taken;
  }
  /// All up to the server's end, which must not be a reset.
  std::string take_all() {
    while (read_some()) {
    }
    REQUIRE(last_ == 0);
    return take(received_.size());
  }

 private:
  bool read_some() {
    std::array<char, 65536> buffer;
    last_ = recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (last_ > 0) received_.append(buffer.data(), static_cast<std::size_t>(last_));
    return last_ > 0;
  }

  int descriptor_;
  ssize_t last_ = -1;
  std::string received_;
};

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace azulb::test
