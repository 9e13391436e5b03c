// Worker threads that come and go, over real sockets.
#include "azulb/daemon/workers.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "../support/loopback_client.hpp"
#include "../support/sockets.hpp"
#include "azulb/config/load.hpp"
#include "listening.hpp"

using namespace azulb;

namespace {

/// Main, as far as workers know it.
class Main {
 public:
  ~Main() { workers.stop(); }

  void apply(unsigned count, const std::string& answer) {
    auto config = config::load_text("[process]\nworkers = " + std::to_string(count) +
                                        "\n[listener.http]\naddress = \"127.0.0.1:0\"\n"
                                        "[[route]]\nrespond = { status = 200, body = \"" +
                                        answer + "\" }\n",
                                    "test");
    REQUIRE(config);
    auto addresses = daemon::resolve_listeners(*config);
    REQUIRE(addresses);
    sockets = test::opened(*config, *addresses, sockets);
    sockets.listen(*config);
    snapshot = *proxy::Snapshot::prepare(std::move(*config), {}, snapshot.get());
    snapshot->link(earlier_.get());
    workers.apply(snapshot, sockets, *proxy::AccessLogFormat::compile("json"), *access_log_);
    earlier_ = snapshot;
  }

  base::SocketAddress address() const { return sockets.addresses().front(); }
  std::string ask() const {
    test::LoopbackClient client(address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return client.take_all();
  }
  /// Of so many connections, which the kernel spreads over all sockets.
  bool all_say(const std::string& answer) const {
    for (int turn = 0; turn < 40; ++turn) {
      if (ask().find("\r\n\r\n" + answer) == std::string::npos) return false;
    }
    return true;
  }
  std::uint64_t requests() const {
    std::uint64_t sum = 0;
    for (const proxy::WorkerMetrics* metrics : workers.metrics())
      sum += metrics->listener(0).requests.value();
    return sum;
  }

  net::Loop loop;
  std::shared_ptr<proxy::Snapshot> snapshot;
  daemon::ListenerSockets sockets;

 private:
  std::unique_ptr<base::LineSink> access_log_ = *base::LineSink::open("off");
  std::shared_ptr<proxy::Snapshot> earlier_;

 public:
  daemon::Workers workers{loop};
};

}  // namespace

TEST_CASE("all sockets are served, whether there are more workers than before or fewer") {
  Main main;
  main.apply(2, "one");
  CHECK(main.workers.count() == 2);
  CHECK(main.all_say("one"));
  main.apply(4, "two");
  CHECK(main.workers.count() == 4);
  CHECK(test::run_until(main.loop, [&] { return main.ask().find("two") != std::string::npos; }));
  CHECK(main.all_say("two"));
  main.apply(1, "three");
  CHECK(main.workers.count() == 1);
  CHECK(main.sockets.ids().size() == 4);
  CHECK(test::run_until(main.loop, [&] { return main.all_say("three"); }));
}

TEST_CASE("what threads counted that have ended is not forgotten") {
  Main main;
  main.apply(3, "one");
  CHECK(main.all_say("one"));
  CHECK(test::run_until(main.loop, [&] { return main.requests() == 40; }));
  main.apply(1, "one");
  CHECK(test::run_until(main.loop, [&] { return main.all_say("one") && main.requests() >= 80; }));
}

TEST_CASE("every worker gives a sign of life when it is asked") {
  Main main;
  main.apply(3, "one");
  CHECK(main.workers.gave_signs());
  main.workers.ask_for_signs();
  CHECK(test::run_until(main.loop, [&] { return main.workers.gave_signs(); }));
}

TEST_CASE("workers that drain let nobody connect, and end with their last connection") {
  Main main;
  main.apply(2, "one");
  test::LoopbackClient client(main.address());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(client.take_through("\r\n\r\none").find("200") != std::string::npos);
  bool accepting_ended = false;
  bool drained = false;
  const base::SocketAddress address = main.address();
  main.workers.drain(
      [&] {
        accepting_ended = true;
        main.sockets = {};
      },
      [&] { drained = true; });
  CHECK(test::run_until(main.loop, [&] { return accepting_ended && drained; }));
  CHECK(client.take_all().empty());
  const test::Descriptor late(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(connect(late.get(), address.get(), address.length()) != 0);
}

TEST_CASE("workers that leave their sockets to another process let clients wait there") {
  Main main;
  main.apply(2, "one");
  test::LoopbackClient client(main.address());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(client.take_through("\r\n\r\none").find("keep-alive") == std::string::npos);
  bool drained = false;
  main.workers.leave(main.sockets.ids(), [&] { drained = true; });
  // The connection stays until an answer says close: the first one after its worker has heard of it.
  CHECK(test::run_until(main.loop, [&] {
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return client.take_through("\r\n\r\none").find("Connection: close") != std::string::npos;
  }));
  CHECK(client.take_all().empty());
  CHECK(test::run_until(main.loop, [&] { return drained; }));
  const test::Descriptor waiting(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const base::SocketAddress address = main.address();
  CHECK(connect(waiting.get(), address.get(), address.length()) == 0);
}
