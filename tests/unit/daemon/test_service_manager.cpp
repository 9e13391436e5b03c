#include "azulb/daemon/service_manager.hpp"

#include <doctest/doctest.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

#include "../support/sockets.hpp"

using namespace azulb;
using daemon::ServiceManager;

namespace {

/// Sets a variable for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

/// The manager's end, on an abstract name.
class Manager {
 public:
  Manager() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path + 1, name_.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    REQUIRE(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }
  std::string variable() const { return "@" + name_; }
  /// The next message, empty if there is none: datagrams between processes of one machine are there at once.
  std::string take() {
    char bytes[1024];
    const ssize_t size = recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(bytes, static_cast<std::size_t>(size));
  }
  void close() { socket_.close(); }

 private:
  std::string name_ = "azulb-unit-" + std::to_string(getpid());
  test::Descriptor socket_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

}  // namespace

TEST_CASE("the service manager is told in its own words, one datagram a message") {
  Manager manager;
  const Variable variable("NOTIFY_SOCKET", manager.variable());
  ServiceManager service = ServiceManager::from_environment();
  service.ready("serving on\n:80");
  CHECK(manager.take() == "READY=1\nSTATUS=serving on :80");
  service.status("two servers down");
  CHECK(manager.take() == "STATUS=two servers down");
  service.stopping(std::chrono::seconds(40), "draining");
  CHECK(manager.take() == "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=draining");
  service.main_process(4711);
  CHECK(manager.take() == "MAINPID=4711");
  service.keep_alive();
  CHECK(manager.take() == "WATCHDOG=1");
  CHECK(manager.take().empty());
}

TEST_CASE("a reload carries the time on the clock that the manager compares") {
  Manager manager;
  const Variable variable("NOTIFY_SOCKET", manager.variable());
  ServiceManager service = ServiceManager::from_environment();
  const std::int64_t before_us = base::monotonic_ns() / 1000;
  service.reloading();
  const std::string message = manager.take();
  const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(message.starts_with(begin));
  const std::int64_t said_us = std::stoll(message.substr(begin.size()));
  CHECK(said_us >= before_us);
  CHECK(said_us <= base::monotonic_ns() / 1000);
}

TEST_CASE("without a service manager nothing is said, and one that has gone hurts nobody") {
  unsetenv("NOTIFY_SOCKET");
  ServiceManager none = ServiceManager::from_environment();
  none.ready("serving");
  Manager manager;
  const Variable variable("NOTIFY_SOCKET", manager.variable());
  ServiceManager service = ServiceManager::from_environment();
  manager.close();
  service.ready("serving");
  const Variable nonsense("NOTIFY_SOCKET", "vsock:2:1");
  ServiceManager::from_environment().ready("serving");
}

TEST_CASE("the watchdog is for the process it names, or for whoever reads it") {
  Manager manager;
  const Variable variable("NOTIFY_SOCKET", manager.variable());
  const Variable interval("WATCHDOG_USEC", "30000000");
  CHECK(ServiceManager::from_environment().watchdog_interval() == std::chrono::seconds(30));
  {
    const Variable mine("WATCHDOG_PID", std::to_string(getpid()));
    CHECK(ServiceManager::from_environment().watchdog_interval() == std::chrono::seconds(30));
  }
  const Variable another("WATCHDOG_PID", "1");
  CHECK(ServiceManager::from_environment().watchdog_interval() == std::chrono::seconds(0));
}
