#include "common/socket.hpp"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace azulb::bench {

std::int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void die(std::string_view what) {
  const int error = errno;
  std::fprintf(stderr, "%s: %.*s: %s\n", program_invocation_short_name, static_cast<int>(what.size()),
               what.data(), std::strerror(error));
  std::exit(1);
}

sockaddr_in parse_address(std::string_view text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const auto colon = text.rfind(':');
  unsigned port = 0;
  errno = EINVAL;
  if (colon == std::string_view::npos) die(text);
  const std::string host{text.substr(0, colon)};
  const std::string_view digits = text.substr(colon + 1);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() || port > 65535) die(text);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) die(text);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int listen_on(const sockaddr_in& address) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) die("socket");
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("bind");
  if (listen(descriptor, 4096) != 0) die("listen");
  return descriptor;
}

std::uint16_t local_port(int descriptor) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
  return ntohs(address.sin_port);
}

int connect_to(const sockaddr_in& address, in_addr_t source) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bool failed = false;
  if (source != 0) {
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = source;
    failed = bind(descriptor, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0;
  }
  if (!failed && connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    failed = errno != EINPROGRESS;
  }
  if (!failed) return descriptor;
  const int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void announce_port(int descriptor) {
  std::printf("port %u\n", static_cast<unsigned>(local_port(descriptor)));
  std::fflush(stdout);
}

}  // namespace azulb::bench
