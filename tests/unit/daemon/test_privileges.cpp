// Needs root for most of it: each case works in a process of its own.
#include "azulb/daemon/privileges.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "azulb/daemon/account.hpp"

using namespace azulb;

namespace {

config::Config with_address(const char* address) {
  config::Config config;
  config.listeners.emplace_back().address.push_back(*base::parse_host_port(address));
  return config;
}

/// Whether this process may bind port 80, on an address of loopback that nothing else uses.
bool can_bind_low_port() {
  const auto address = base::SocketAddress::from_ip(*base::IpAddress::parse("127.91.7.3"), 80);
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound = descriptor >= 0 && bind(descriptor, address.get(), address.length()) == 0;
  close(descriptor);
  return bound;
}

/// What `body` returns in a child process.
template <typename Body>
int in_child(Body body) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(body());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

daemon::Account account_of(const char* user, const char* group = "") {
  config::Process process;
  process.user = user;
  process.group = group;
  const auto account = daemon::find_account(process);
  REQUIRE(account);
  REQUIRE(account->has_value());
  return **account;
}

bool is_root() {
  if (geteuid() == 0) return true;
  MESSAGE("left out: needs root");
  return false;
}

}  // namespace

TEST_CASE("ports below 1024 are low, whoever listens there") {
  CHECK(daemon::needs_low_ports(with_address("0.0.0.0:80")));
  CHECK(daemon::needs_low_ports(with_address("[::1]:1023")));
  CHECK_FALSE(daemon::needs_low_ports(with_address("0.0.0.0:1024")));
  CHECK_FALSE(daemon::needs_low_ports(with_address("127.0.0.1:0")));
  CHECK_FALSE(daemon::needs_low_ports(with_address("unix:/run/a.sock")));
  config::Config config = with_address("127.0.0.1:8080");
  config.admin.emplace().address.port = 900;
  CHECK(daemon::needs_low_ports(config));
}

TEST_CASE("no user is no account, and a name or a number is one") {
  CHECK_FALSE(daemon::find_account({})->has_value());
  const daemon::Account nobody = account_of("nobody");
  CHECK(nobody.user != 0);
  CHECK(nobody.groups == std::vector<gid_t>{nobody.group});
  CHECK(account_of(std::to_string(nobody.user).c_str()).group == nobody.group);
  const daemon::Account numbers = account_of("54321", "54322");
  CHECK(numbers.user == 54321);
  CHECK(numbers.groups == std::vector<gid_t>{54322});
  config::Process process;
  process.user = "4294967295";  // what system calls take for "unchanged"
  CHECK_FALSE(daemon::find_account(process));
}

TEST_CASE("low ports are allowed only while they are asked for") {
  if (!is_root()) return;
  const daemon::Account nobody = account_of("nobody");
  CHECK(in_child([&nobody] {
          if (!daemon::become(nobody, true)) return 1;
          if (can_bind_low_port()) return 2;
          {
            const daemon::LowPortsAllowed allowed;
            const daemon::LowPortsAllowed nested;
            if (!can_bind_low_port()) return 3;
          }
          return can_bind_low_port() ? 4 : 0;
        }) == 0);
}

TEST_CASE("without need for low ports they cannot be had again") {
  if (!is_root()) return;
  const daemon::Account nobody = account_of("nobody");
  CHECK(in_child([&nobody] {
          if (!daemon::become(nobody, false)) return 1;
          const daemon::LowPortsAllowed allowed;
          return can_bind_low_port() ? 2 : 0;
        }) == 0);
}

TEST_CASE("there is no way back to root") {
  if (!is_root()) return;
  const daemon::Account nobody = account_of("nobody");
  CHECK(in_child([&nobody] {
          if (!daemon::may_become(nobody) || !daemon::become(nobody, true)) return 1;
          const bool returned = setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0;
          if (returned) return 2;
          if (!daemon::may_become(nobody)) return 3;  // it is
          return daemon::may_become(account_of("daemon")) ? 4 : 0;
        }) == 0);
}
