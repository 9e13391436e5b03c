#include "azulb/upstream/prober.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <vector>

#include "../support/http2_frames.hpp"
#include "prober_fixture.hpp"

using namespace azulb;
using balance::Health;
using std::chrono::milliseconds;
using test::loopback;
using test::ScriptedServer;
using Fixture = test::ProberFixture;

TEST_CASE("a server that answers as expected is up with its first check, which asks as configured") {
  Fixture f;
  ScriptedServer server(f.loop, loopback());
  f.add(server.address());
  SUBCASE("defaults") {
    CHECK(f.verdict(Health::up) == "status 200");
    CHECK(server.request(0) ==
          "GET /health HTTP/1.1\r\nHost: app:3000\r\nUser-Agent: azulb\r\nConnection: close\r\n\r\n");
  }
  SUBCASE("everything set") {
    f.health.path = "/up?deep=1";
    f.health.method = "OPTIONS";
    f.health.host = "app.example";
    f.health.headers = {{"X-Check", "1"}, {"user-agent", "mine"}};
    CHECK(f.verdict(Health::up) == "status 200");
    CHECK(server.request(0) ==
          "OPTIONS /up?deep=1 HTTP/1.1\r\nHost: app.example\r\nX-Check: 1\r\nuser-agent: mine\r\n"
          "Connection: close\r\n\r\n");
  }
  SUBCASE("PROXY header, version 1: the check speaks for nobody") {
    f.proxy_protocol = 1;
    f.verdict(Health::up);
    CHECK(server.request(0).starts_with("PROXY UNKNOWN\r\nGET /health HTTP/1.1\r\n"));
  }
  SUBCASE("PROXY header, version 2: LOCAL") {
    f.proxy_protocol = 2;
    f.verdict(Health::up);
    CHECK(server.request(0).starts_with(
        std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET /health HTTP/1.1\r\n", 38)));
  }
  SUBCASE("no PROXY header where the check has a port of its own") {
    f.proxy_protocol = 1;
    f.health.port = server.address().port();
    f.verdict(Health::up);
    CHECK(server.request(0).starts_with("GET /health HTTP/1.1\r\n"));
  }
  SUBCASE("a method with a body says that it has none") {
    f.health.method = "POST";
    f.verdict(Health::up);
    CHECK(server.request(0).find("Content-Length: 0\r\n") != std::string::npos);
  }
  SUBCASE("HEAD, answered with a length and no body") {
    f.health.method = "HEAD";
    server.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"};
    CHECK(f.verdict(Health::up) == "status 200");
  }
  SUBCASE("an interim response comes first, the bytes in pieces") {
    server.answers = {"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 2", "04 No Content\r\n", "\r\n"};
    CHECK(f.verdict(Health::up) == "status 204");
  }
  SUBCASE("a body until the close") {
    server.answers = {"HTTP/1.1 200 OK\r\n\r\n", "some", "thing"};
    server.close_after = true;
    CHECK(f.verdict(Health::up) == "status 200");
  }
  SUBCASE("a body that never ends is enough after its first 64 KiB") {
    server.answers = {"HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x')};
    CHECK(f.verdict(Health::up) == "status 200");
  }
  CHECK(f.log_count("upstream app: server " + server.address().text() + " is up: status 20") == 1);
  CHECK(f.log_count("(1 of 1 servers up)") == 1);
}

TEST_CASE("what fails is told in words") {
  Fixture f;
  ScriptedServer server(f.loop, loopback());
  f.add(server.address());
  std::string reason;
  SUBCASE("status") {
    server.answers = {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"};
    reason = "status 503, expected 200-399";
  }
  SUBCASE("status, of several expected") {
    f.health.expect_status = {{200, 200}, {204, 206}};
    server.answers = {"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"};
    reason = "status 201, expected 200,204-206";
  }
  SUBCASE("body") {
    f.health.expect_body = "ready";
    server.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nstarting"};
    reason = "body does not contain \"ready\"";
  }
  SUBCASE("body, behind the first 64 KiB") {
    f.health.expect_body = "ready";
    server.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 65540\r\n\r\n" + std::string(65'535, 'x') +
                      "ready"};
    reason = "body does not contain \"ready\"";
  }
  SUBCASE("no answer") {
    f.health.timeout = milliseconds(50);
    server.answers = {};
    reason = "no answer within 50ms";
  }
  SUBCASE("half an answer") {
    f.health.timeout = milliseconds(50);
    server.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"};
    reason = "no end of the answer within 50ms";
  }
  SUBCASE("not HTTP") {
    server.answers = {"SSH-2.0-OpenSSH_9.2\r\n"};
    reason = "invalid response: bad_version";
  }
  SUBCASE("closed at once") {
    server.answers = {};
    server.close_after = true;
    reason = "closed before the answer";
  }
  SUBCASE("closed in the middle") {
    server.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"};
    server.close_after = true;
    reason = "closed before the end of the answer";
  }
  CHECK(f.verdict(Health::down) == reason);
  CHECK(f.log_count(" warn  upstream app: server " + server.address().text() + " is down: ") == 1);
  CHECK(f.log_count("(0 of 1 servers up)") == 1);
}

TEST_CASE("a server that refuses is down; the check's port may be another, except on a unix socket") {
  Fixture f;
  const test::Server refusing(false);
  SUBCASE("refused") {
    f.add(refusing.address());
    CHECK(f.verdict(Health::down) == "connection refused");
  }
  SUBCASE("another port") {
    ScriptedServer server(f.loop, loopback());
    f.add(refusing.address());
    f.health.port = server.address().port();
    CHECK(f.verdict(Health::up) == "status 200");
    CHECK(server.request(0).find("Host: app:3000\r\n") != std::string::npos);
    f.prober.reset();
  }
  SUBCASE("a unix socket") {
    ScriptedServer server(f.loop, *base::SocketAddress::from_unix_path(f.directory + "/app.sock"));
    f.add(server.address());
    f.health.port = 9;
    CHECK(f.verdict(Health::up) == "status 200");
    CHECK(server.request(0).find("Host: localhost\r\n") != std::string::npos);
    f.prober.reset();
  }
  SUBCASE("a unix socket that is not there") {
    f.add(*base::SocketAddress::from_unix_path(f.directory + "/none.sock"));
    CHECK(f.verdict(Health::down) == "no such file or directory");
  }
}

TEST_CASE("the expected body is found wherever the reads split it") {
  const std::string body = "is it ready now";
  for (std::size_t split = 0; split <= body.size(); ++split) {
    CAPTURE(split);
    Fixture f;
    ScriptedServer server(f.loop, loopback());
    f.add(server.address());
    f.health.expect_body = "ready";
    server.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + body.substr(0, split),
                      body.substr(split)};
    CHECK(f.verdict(Health::up) == "status 200");
    f.prober.reset();
  }
}

TEST_CASE("an up server is down after `fall` failures, up after `rise` passes, each logged once") {
  Fixture f;
  f.initial = balance::HealthInitial::up;
  f.health.fall = 3;
  f.health.rise = 2;
  ScriptedServer server(f.loop, loopback());
  f.add(server.address());
  server.answers = {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"};
  f.start();
  CHECK(test::run_until(f.loop, [&] { return f.changes.size() == 1; }));
  CHECK(server.checks() == 3);
  CHECK(f.state->server(0).health() == Health::down);
  server.answers = {std::string(test::ok_response)};
  CHECK(test::run_until(f.loop, [&] { return f.changes.size() == 2; }));
  CHECK(server.checks() == 5);
  CHECK(f.state->server(0).health() == Health::up);
  const std::size_t checks = server.checks();
  CHECK(test::run_until(f.loop, [&] { return server.checks() >= checks + 5; }));
  CHECK(f.changes.size() == 2);
  CHECK(f.log_count("is down") == 1);
  CHECK(f.log_count("is up") == 1);
}

TEST_CASE("a server is never checked twice at a time, however slow its answers") {
  Fixture f;
  f.health.interval = f.health.fast_interval = milliseconds(1);
  f.health.timeout = milliseconds(20);
  ScriptedServer server(f.loop, loopback());
  f.add(server.address());
  server.answers = {};
  f.start();
  CHECK(test::run_until(f.loop, [&] { return server.checks() == 5; }));
  CHECK(server.most_open == 1);
}

TEST_CASE("the second checks of many servers are spread over the interval") {
  Fixture f;
  f.health.interval = milliseconds(400);
  f.health.jitter = 0.0;
  std::deque<ScriptedServer> servers;
  for (int index = 0; index < 4; ++index)
    f.add(servers.emplace_back(f.loop, loopback()).address());
  f.start();
  CHECK(test::run_until(f.loop, [&] { return f.changes.size() == 4; }));
  std::vector<std::int64_t> second(4);
  CHECK(test::run_until(f.loop, [&] {
    bool all = true;
    for (std::size_t index = 0; index < 4; ++index) {
      if (servers[index].checks() < 2) all = false;
      if (servers[index].checks() == 2 && second[index] == 0) second[index] = f.loop.now_ms();
    }
    return all;
  }));
  for (std::size_t index = 1; index < 4; ++index)
    CHECK(second[index] > second[index - 1]);
  f.prober.reset();
}

TEST_CASE("the number of servers left is that of the upstream") {
  Fixture f;
  ScriptedServer good(f.loop, loopback());
  const test::Server refusing(false);
  f.initial = balance::HealthInitial::up;
  f.health.fall = 1;
  f.add(good.address());
  f.add(refusing.address());
  f.start();
  CHECK(test::run_until(f.loop, [&] { return !f.changes.empty(); }));
  CHECK(f.changes == std::vector<std::uint32_t>{1});
  CHECK(f.log_count("server " + refusing.address().text() +
                    " is down: connection refused (1 of 2 servers up)") == 1);
}

TEST_CASE("a prober may be stopped or destroyed with checks under way, and by its observer") {
  Fixture f;
  ScriptedServer server(f.loop, loopback());
  f.add(server.address());
  SUBCASE("destroyed under way") {
    server.answers = {};
    f.start();
    CHECK(test::run_until(f.loop, [&] { return server.checks() == 1; }));
    f.prober.reset();
    test::settle(f.loop);
    CHECK(f.changes.empty());
  }
  SUBCASE("destroyed before the first turn") {
    f.start();
    f.prober.reset();
    test::settle(f.loop);
    CHECK(server.checks() == 0);
  }
  SUBCASE("destroyed by its observer") {
    f.when_changed = [&] { f.prober.reset(); };
    f.start();
    CHECK(test::run_until(f.loop, [&] { return !f.changes.empty(); }));
    test::settle(f.loop);
    CHECK(server.checks() == 1);
  }
  SUBCASE("stopped and started again") {
    f.start();
    CHECK(test::run_until(f.loop, [&] { return !f.changes.empty(); }));
    f.prober->stop();
    const std::size_t checks = server.checks();
    const std::int64_t until_ms = f.loop.now_ms() + 100;
    CHECK(test::run_until(f.loop, [&] { return f.loop.now_ms() > until_ms; }));
    CHECK(server.checks() == checks);
    f.prober->start();
    CHECK(test::run_until(f.loop, [&] { return server.checks() > checks; }));
  }
}

// The probe's codec has streams of its own, which go with it.
TEST_CASE("a prober may be destroyed with a check over HTTP/2 under way") {
  Fixture f;
  const test::Server server;
  f.add(server.address());
  f.protocol = config::Protocol::http2;
  f.health.expect_body = "ready";
  f.start();
  REQUIRE(test::run_until(f.loop, [&] { return server.has_connection(); }));
  test::Peer peer = server.accept();
  const auto asked = [&] {
    const std::string head("\x01\x05\0\0\0\x01", 6);  // HEADERS with the request's end, of stream 1
    return test::run_until(f.loop, [&] {
      peer.receive();
      return peer.received().find(head) != std::string::npos;
    });
  };
  SUBCASE("before the server has said anything") {}
  SUBCASE("with the request sent") {
    peer.send(test::frame(test::settings_frame, 0, 0, ""));
    CHECK(asked());
  }
  SUBCASE("with an answer that has begun") {
    peer.send(test::frame(test::settings_frame, 0, 0, ""));
    CHECK(asked());
    peer.send(test::frame(test::headers_frame, test::end_headers, 1, "\x88") +
              test::frame(test::data_frame, 0, 1, "rea"));
    test::settle(f.loop);
  }
  CHECK(f.changes.empty());
  f.prober.reset();
  test::settle(f.loop);
  CHECK(f.changes.empty());
  CHECK(test::run_until(f.loop, [&] { return peer.drain(), peer.ended() || peer.error() == ECONNRESET; }));
}

TEST_CASE("a draining server is checked on; a disabled one is not, and again as soon as it is enabled") {
  Fixture f;
  f.health.interval = f.health.fast_interval = milliseconds(1);
  ScriptedServer draining(f.loop, loopback());
  ScriptedServer disabled(f.loop, loopback());
  f.add(draining.address());
  f.add(disabled.address());
  f.start();
  CHECK(test::run_until(f.loop, [&] { return f.changes.size() == 2; }));
  f.state->set_admin_state(0, balance::AdminState::draining);
  f.state->set_admin_state(1, balance::AdminState::disabled);
  const std::size_t of_draining = draining.checks();
  const std::size_t of_disabled = disabled.checks();
  CHECK(test::run_until(f.loop, [&] { return draining.checks() >= of_draining + 10; }));
  CHECK(disabled.checks() <= of_disabled + 1);  // one may have been under way
  CHECK(f.changes.size() == 2);
  f.state->set_admin_state(1, balance::AdminState::enabled);
  CHECK(f.state->server(1).health() == Health::unknown);
  CHECK(test::run_until(f.loop, [&] { return f.state->server(1).health() == Health::up; }));
  CHECK(f.changes.size() == 3);
}

TEST_CASE("with other targets, checks of servers that stay go on, new ones begin, and others end") {
  Fixture f;
  f.health.interval = milliseconds(60'000);
  ScriptedServer stays(f.loop, loopback());
  ScriptedServer goes(f.loop, loopback());
  ScriptedServer comes(f.loop, loopback());
  goes.answers = {};  // its check is under way all the time
  f.add(goes.address());
  f.add(stays.address());
  f.start();
  REQUIRE(test::run_until(f.loop, [&] { return f.changes.size() == 1 && goes.checks() == 1; }));
  balance::ServerSettings settings;
  settings.name = settings.address = "new";
  settings.checked = true;
  balance::UpstreamState next(f.state->settings(),
                              {f.state->shared_server(1), std::make_shared<balance::ServerState>(settings)});
  f.addresses = {stays.address(), comes.address()};
  f.changes.clear();
  f.prober->update(f.targets(next));
  REQUIRE(test::run_until(f.loop, [&] { return !f.changes.empty(); }));
  CHECK(f.changes == std::vector<std::uint32_t>{1});
  CHECK(next.server(1).health() == Health::up);
  CHECK((stays.checks() == 1 && goes.checks() == 1 && comes.checks() == 1));
}

TEST_CASE("a check that is under way goes on under the place that its server has then") {
  Fixture f;
  ScriptedServer first(f.loop, loopback());
  ScriptedServer second(f.loop, loopback());
  first.answers = second.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "\r\n"};
  f.add(first.address());
  f.add(second.address());
  f.start();
  REQUIRE(test::run_until(f.loop, [&] { return second.checks() == 1; }));
  balance::UpstreamState next(f.state->settings(), {f.state->shared_server(1)});
  f.addresses = {second.address()};
  f.changes.clear();
  f.prober->update(f.targets(next));
  REQUIRE(test::run_until(f.loop, [&] { return !f.changes.empty(); }));
  CHECK(f.changes == std::vector<std::uint32_t>{0});
  CHECK(next.server(0).health() == Health::up);
}
