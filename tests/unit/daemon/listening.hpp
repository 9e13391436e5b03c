// Sockets that listen, for tests of those who pass them on.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "azulb/base/address.hpp"
#include "azulb/config/config.hpp"
#include "azulb/daemon/listener_sockets.hpp"

namespace azulb::test {

inline base::SocketAddress loopback(std::uint16_t port) {
  return base::SocketAddress::from_ip(*base::IpAddress::parse("127.0.0.1"), port);
}

class Directory {
 public:
  Directory() {
    char pattern[] = "/tmp/azulb-unit-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    path_ = pattern;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  base::SocketAddress socket(const std::string& name) const {
    return base::resolve({.host = file(name), .port = 0, .is_unix = true}, true)->front();
  }

 private:
  std::string path_;
};

/// A listener per name, each with the addresses that stand at its place in `addresses`.
inline config::Config listeners(const std::vector<std::string>& names, unsigned workers) {
  config::Config config;
  config.process.workers = workers;
  for (const std::string& name : names)
    config.listeners.emplace_back().name = name;
  return config;
}

inline daemon::ListenerSockets opened(const config::Config& config,
                                      const daemon::ListenerAddresses& addresses,
                                      const daemon::ListenerSockets& current = {}) {
  daemon::InheritedSockets none;
  auto sockets = daemon::ListenerSockets::open(config, addresses, current, none);
  REQUIRE(sockets);
  return std::move(*sockets);
}

}  // namespace azulb::test
