#include "azulb/daemon/service_manager.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "azulb/base/clock.hpp"
#include "azulb/base/log.hpp"

namespace azulb::daemon {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// 0 for what is no number.
std::int64_t number_of(const std::string& text) {
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && stop == text.data() + text.size() ? number : 0;
}

/// A value ends with its line.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& character : line) {
    if (character == '\n') character = ' ';
  }
  return line;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  if (const std::string path = variable("NOTIFY_SOCKET"); !path.empty()) manager.connect(path);
  // sd_watchdog_enabled(3): without WATCHDOG_PID it is meant for whoever reads it.
  const std::string process = variable("WATCHDOG_PID");
  if (manager.descriptor_ >= 0 && (process.empty() || number_of(process) == getpid()))
    manager.watchdog_interval_ = std::chrono::milliseconds(number_of(variable("WATCHDOG_USEC")) / 1000);
  return manager;
}

ServiceManager::ServiceManager(ServiceManager&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), watchdog_interval_(other.watchdog_interval_) {}

ServiceManager::~ServiceManager() {
  if (descriptor_ >= 0) close(descriptor_);
}

void ServiceManager::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool is_valid = (path[0] == '/' || path[0] == '@') && path.size() < sizeof address.sun_path;
  if (!is_valid) return base::log_warn("NOTIFY_SOCKET is no socket of this machine: {}", path);
  path.copy(address.sun_path, path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';  // unix(7): an abstract name
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  descriptor_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0 || ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    base::log_warn("NOTIFY_SOCKET {}: {}", path, std::strerror(errno));
    if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
    return;
  }
  const timeval one_second{1, 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &one_second, sizeof one_second);
}

void ServiceManager::send(const std::string& message) {
  if (descriptor_ < 0) return;
  if (::send(descriptor_, message.data(), message.size(), MSG_NOSIGNAL) < 0)
    base::log_warn("cannot tell the service manager \"{}\": {}", message, std::strerror(errno));
}

void ServiceManager::ready(std::string_view status) {
  send("READY=1\nSTATUS=" + one_line(status));
}

void ServiceManager::reloading() {
  // The time lets the manager tell this reload's READY=1 from an earlier one's.
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading", base::monotonic_ns() / 1000));
}

void ServiceManager::stopping(std::chrono::milliseconds at_most, std::string_view status) {
  send(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS={}",
                   std::chrono::microseconds(at_most).count(), one_line(status)));
}

void ServiceManager::status(std::string_view text) {
  send("STATUS=" + one_line(text));
}

void ServiceManager::main_process(pid_t process) {
  send(fmt::format("MAINPID={}", process));
}

void ServiceManager::keep_alive() {
  send("WATCHDOG=1");
}

void ServiceManager::fall_silent() {
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

}  // namespace azulb::daemon
