// A prober and the servers it checks, on one loop; its log in a file of its own.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/recorder.hpp"
#include "../support/sockets.hpp"
#include "azulb/base/log.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/upstream/prober.hpp"

namespace azulb::test {

inline constexpr std::string_view ok_response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers every connection with `answers`, one write a turn, on the prober's own loop.
class ScriptedServer : public net::AcceptHandler {
 public:
  ScriptedServer(net::Loop& loop, const base::SocketAddress& address)
      : loop_(loop), bound_(*net::BoundSocket::bind(address, 64, false)), listening_(loop, bound_, *this) {
    listening_.resume();
  }
  ~ScriptedServer() override {
    for (Client& client : clients_)
      client.connection.close();
  }

  const base::SocketAddress& address() const { return bound_.address(); }
  void on_accepted(const base::SocketAddress&, int descriptor, const base::SocketAddress&) override {
    Client& client = clients_.emplace_back(loop_);
    client.handler.when_bytes = [this, &client](std::string_view) {
      if (client.handler.received.ends_with("\r\n\r\n")) answer(client);
    };
    client.handler.when_failed = [&client] { client.connection.close(); };
    client.alarm = [this, &client] { answer(client); };
    client.connection.adopt(descriptor);
    std::size_t open = 0;
    for (const Client& each : clients_)
      open += each.handler.ended || !each.connection.open() ? 0 : 1;
    most_open = std::max(most_open, open);
  }
  void on_accept_failure(int) override {}

  std::size_t checks() const { return clients_.size(); }
  const std::string& request(std::size_t index) const { return clients_[index].handler.received; }

  std::vector<std::string> answers{std::string(ok_response)};
  bool close_after = false;
  std::size_t most_open = 0;

 private:
  struct Client {
    explicit Client(net::Loop& loop) : connection(loop, handler) {}
    void next() { alarm(); }
    Recorder handler;
    net::Connection connection;
    std::size_t written = 0;
    std::function<void()> alarm;
    net::MemberTimer<Client, &Client::next> timer{*this};
  };

  void answer(Client& client) {
    if (client.written < answers.size()) {
      client.connection.write(answers[client.written++]);
      if (client.written < answers.size() || close_after)
        loop_.timers().list(std::chrono::milliseconds(1)).start(client.timer);
    } else if (close_after) {
      client.connection.close();
    }
  }

  net::Loop& loop_;
  net::BoundSocket bound_;
  net::ListeningSocket listening_;
  std::deque<Client> clients_;
};

inline base::SocketAddress loopback(std::uint16_t port = 0) {
  return base::SocketAddress::from_ip(*base::IpAddress::parse("127.0.0.1"), port);
}

struct ProberFixture {
  ProberFixture() {
    health.interval = std::chrono::milliseconds(20);
    health.fast_interval = std::chrono::milliseconds(10);
    health.timeout = std::chrono::milliseconds(5000);
    char pattern[] = "/tmp/azulb-prober-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    directory = pattern;
    REQUIRE(base::open_log({base::LogLevel::info, directory + "/log", false}));
  }
  ~ProberFixture() {
    prober.reset();
    [[maybe_unused]] const auto ignored = base::open_log({});
    std::filesystem::remove_all(directory);
  }

  void add(const base::SocketAddress& address) { addresses.push_back(address); }

  std::vector<upstream::ProbeTarget> targets(balance::UpstreamState& of) {
    std::vector<upstream::ProbeTarget> targets;
    for (std::uint32_t index = 0; index < addresses.size(); ++index) {
      targets.push_back({.upstream = "app",
                         .upstream_index = 7,
                         .health = health,
                         .state = &of,
                         .server = index,
                         .address = addresses[index],
                         .protocol = protocol,
                         .proxy_protocol = proxy_protocol,
                         .address_text = "app:" + std::to_string(3000 + index)});
    }
    return targets;
  }

  void start() {
    std::vector<std::shared_ptr<balance::ServerState>> servers;
    for (const base::SocketAddress& address : addresses) {
      balance::ServerSettings settings;
      settings.name = settings.address = address.text();
      settings.checked = true;
      settings.health.rise = health.rise;
      settings.health.fall = health.fall;
      settings.health.initial = initial;
      servers.push_back(std::make_shared<balance::ServerState>(settings));
    }
    balance::UpstreamSettings settings;
    settings.name = "app";
    state.emplace(settings, servers);
    prober = std::make_unique<upstream::Prober>(loop, targets(*state),
                                                [this](std::uint32_t upstream, std::uint32_t server) {
                                                  CHECK(upstream == 7);
                                                  changes.push_back(server);
                                                  if (when_changed) when_changed();
                                                });
    prober->start();
    CHECK(changes.empty());
  }
  /// Starts, waits for the first verdict on the only server, and gives its reason.
  std::string verdict(balance::Health expected) {
    start();
    REQUIRE(run_until(loop, [&] { return !changes.empty(); }));
    CHECK(state->server(0).health() == expected);
    return state->server(0).health_tracker().state_reason();
  }
  std::string log() const {
    std::ostringstream all;
    all << std::ifstream(directory + "/log").rdbuf();
    return all.str();
  }
  std::size_t log_count(std::string_view text) const {
    const std::string all = log();
    std::size_t count = 0;
    for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1))
      ++count;
    return count;
  }

  net::Loop loop;
  config::Health health;
  config::Protocol protocol = config::Protocol::http1;
  int proxy_protocol = 0;
  balance::HealthInitial initial = balance::HealthInitial::probe;
  std::vector<base::SocketAddress> addresses;
  std::optional<balance::UpstreamState> state;
  std::unique_ptr<upstream::Prober> prober;
  std::vector<std::uint32_t> changes;
  std::function<void()> when_changed;
  std::string directory;
};

}  // namespace azulb::test
