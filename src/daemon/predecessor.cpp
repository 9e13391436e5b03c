#include "azulb/daemon/predecessor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t message_limit_bytes = 1024;

}  // namespace

Predecessor::Predecessor() {
  const char* const value = std::getenv(Handover::variable);
  if (value == nullptr) return;
  auto handover = Handover::parse(value);
  unsetenv(Handover::variable);
  // Not meant for us: an ancestor's, handed on by whatever lies between.
  if (!handover || handover->predecessor != getppid()) return;
  fcntl(handover->channel, F_SETFD, FD_CLOEXEC);
  if (handover->servers >= 0) fcntl(handover->servers, F_SETFD, FD_CLOEXEC);
  handover_ = std::move(*handover);
}

Predecessor::~Predecessor() {
  if (handover_ && handover_->channel >= 0) close(handover_->channel);
  if (handover_ && handover_->servers >= 0) close(handover_->servers);
}

void Predecessor::say(const std::string& message) const {
  static_cast<void>(send(handover_->channel, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

void Predecessor::refuse(const std::string& reason) {
  if (handover_ && handover_->channel >= 0) say(failed_message(reason));
}

base::Result<void> Predecessor::replace(net::Loop& loop, const std::vector<int>& left,
                                        const std::function<bool()>& interrupted) {
  if (!loop.watch_level(handover_->channel, *this, false))
    return base::system_failure(
        "cannot watch the channel to process " + std::to_string(handover_->predecessor), errno);
  say(ready_message(left));
  while (!may_serve_ && !gone_ && !interrupted())
    loop.run_once(1s);
  loop.unwatch(handover_->channel);
  if (may_serve_) {
    close(std::exchange(handover_->channel, -1));  // all is said
    return {};
  }
  return base::failure(gone_ ? "process " + std::to_string(handover_->predecessor) +
                                   " does not give its place up"
                             : "ended by a signal before it was ready");
}

bool Predecessor::gone() const {
  pollfd watched{handover_->channel, POLLRDHUP, 0};
  return poll(&watched, 1, 0) > 0;
}

void Predecessor::on_events(std::uint32_t) {
  std::array<char, message_limit_bytes> bytes;
  const ssize_t size = recv(handover_->channel, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    gone_ = true;
  } else {
    may_serve_ = is_serve_message(std::string(bytes.data(), static_cast<std::size_t>(size)));
  }
}

}  // namespace azulb::daemon
