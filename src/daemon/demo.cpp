#include "azulb/daemon/demo.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <deque>
#include <iterator>
#include <string_view>
#include <thread>
#include <utility>

#include "azulb/admin/local_server.hpp"
#include "azulb/base/assert.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/net/loop.hpp"
#include "demo_replica.hpp"

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

constexpr int backlog = 1024;

std::string replica_name(std::size_t index) {
  return fmt::format("replica-{}", index + 1);
}

admin::LocalServerSettings replica_settings() {
  admin::LocalServerSettings settings;
  settings.server_name = "azulb-demo";
  settings.connections_limit = 4096;  // people will point load generators at it
  settings.idle_timeout = 75s;        // longer than azulb keeps an idle connection to a server
  return settings;
}

/// Signals are main's: a thread made now never gets one.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

constexpr std::string_view http_scheme = "http://";

/// Where curl finds an address (with its options for a unix socket): "any address" is reached over loopback.
std::string curl_url(const std::string& address) {
  auto parsed = base::parse_host_port(address);
  if (!parsed) return fmt::format("{}{}", http_scheme, address);
  if (parsed->is_unix) return fmt::format("--unix-socket {} http://localhost", parsed->host);
  if (parsed->host.empty() || parsed->host == "0.0.0.0") parsed->host = "127.0.0.1";
  if (parsed->host == "::") parsed->host = "::1";
  return fmt::format("{}{}", http_scheme, parsed->text());
}

}  // namespace

struct DemoReplicas::Running {
  net::Loop loop;
  std::deque<net::BoundSocket> sockets;
  std::deque<DemoReplica> replicas;
  std::deque<admin::LocalServer> servers;
  std::thread thread;
};

DemoReplicas::DemoReplicas() = default;
DemoReplicas::~DemoReplicas() {
  stop();
}

base::Result<void> DemoReplicas::start(std::size_t count) {
  AZULB_ASSERT(running_ == nullptr);
  auto running = std::make_unique<Running>();
  std::vector<base::SocketAddress> addresses;
  const auto loopback = base::IpAddress::parse("127.0.0.1");
  for (std::size_t index = 0; index < count; ++index) {
    auto socket = net::BoundSocket::bind(base::SocketAddress::from_ip(*loopback, 0), backlog, false);
    if (!socket) return tl::unexpected(std::move(socket.error()));
    addresses.push_back(socket->address());
    running->sockets.push_back(std::move(*socket));
    running->replicas.emplace_back(replica_name(index));
    running->servers.emplace_back(running->loop, running->replicas.back(), replica_settings());
    running->servers.back().listen(running->sockets.back());
  }
  addresses_ = std::move(addresses);
  running_ = std::move(running);
  const SignalsBlocked blocked;
  running_->thread = std::thread([loop = &running_->loop] { loop->run(); });
  return {};
}

void DemoReplicas::stop() {
  if (running_ == nullptr) return;
  running_->loop.post([running = running_.get()] {
    for (admin::LocalServer& server : running->servers)
      server.stop();
    running->loop.stop();
  });
  running_->thread.join();
  running_.reset();
  addresses_.clear();
}

config::LoadResult demo_config(const std::string& listen, const std::string& admin,
                               const std::vector<base::SocketAddress>& replicas) {
  fmt::memory_buffer text;
  auto out = std::back_inserter(text);
  // An open event stream must not hold up Ctrl-C for long; and a plain shell's limit on open files is enough.
  fmt::format_to(out, "[process]\ndrain_timeout = \"3s\"\nmax_connections = 256\n\n");
  fmt::format_to(out,
                 "[access_log]\nformat = \"{{method}} {{target}} -> {{server}} {{status}} in {{duration_ms}} "
                 "ms, tries: {{attempts}}\"\n\n");
  fmt::format_to(out, "[admin]\naddress = '{}'\n\n[listener.demo]\naddress = '{}'\n\n", admin, listen);
  fmt::format_to(out, "[upstream.replicas]\nservers = [\n");
  for (std::size_t index = 0; index < replicas.size(); ++index)
    fmt::format_to(out, "  {{ name = \"{}\", address = \"{}\" }},\n", replica_name(index),
                   replicas[index].text());
  // Quick enough to watch a replica go and come back.
  fmt::format_to(out,
                 "]\n\n[upstream.replicas.health]\npath = \"/health\"\ninterval = \"1s\"\n"
                 "fast_interval = \"250ms\"\ntimeout = \"500ms\"\nfall = 2\n");
  return config::load_text(std::string_view(text.data(), text.size()), "demo");
}

std::string demo_text(const std::string& listen, const std::string& admin,
                      const std::vector<base::SocketAddress>& replicas) {
  const std::string front = curl_url(listen);
  fmt::memory_buffer text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "azulb listens on {} and balances over {} replicas in this process:\n\n", listen,
                 replicas.size());
  for (std::size_t index = 0; index < replicas.size(); ++index)
    fmt::format_to(out, "  {}  http://{}\n", replica_name(index), replicas[index].text());

  const auto line = [&](std::string_view what, const std::string& command) {
    fmt::format_to(out, "\n  # {}\n  {}\n", what, command);
  };
  fmt::format_to(out, "\nTry, in another terminal:\n");
  line("a different replica each time, and the headers it gets", fmt::format("curl {}/", front));
  line("an answer that takes its time", fmt::format("curl '{}/slow?ms=2000'", front));
  line("an error, tried on the other replicas first: see the log below",
       fmt::format("curl -i {}/status/503", front));
  line("server-sent events, passed on as they come", fmt::format("curl -N {}/events", front));
  if (front.starts_with(http_scheme)) {
    line("a WebSocket that echoes (package python3-websockets)",
         fmt::format("python3 -m websockets ws://{}/ws", front.substr(http_scheme.size())));
  }
  if (!replicas.empty()) {
    line(fmt::format("take {} out, and put it back", replica_name(0)),
         fmt::format("curl -X POST http://{0}/health/down\n  curl -X POST http://{0}/health/up",
                     replicas.front().text()));
  }
  line("what azulb sees: its servers, and its metrics for Prometheus",
       fmt::format("curl {0}/state\n  curl {0}/metrics", curl_url(admin)));
  fmt::format_to(out, "\nCtrl-C ends it.\n\n");
  return fmt::to_string(text);
}

}  // namespace azulb::daemon
