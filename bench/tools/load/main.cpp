// bench_load: the client in front of every contender. One thread, one epoll; prints one line of JSON.
#include <errno.h>
#include <fmt/core.h>
#include <getopt.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "common/socket.hpp"
#include "common/websocket.hpp"
#include "load/http_load.hpp"
#include "load/results.hpp"
#include "load/tls_load.hpp"
#include "load/websocket_load.hpp"

namespace azulb::bench {
namespace {

constexpr const char* kHelp =
    "bench_load --address 127.0.0.1:PORT [options]\n"
    "  --mode MODE           closed (default) | connection | rate | idle | websocket_echo | websocket_idle\n"
    "  --tls                 TLS 1.3, modes closed, connection and idle (which has only TLS)\n"
    "  --resume              mode connection: resume a session instead of full handshakes\n"
    "  --path PATH           request target (default /)\n"
    "  --connections N       connections at once (default 32)\n"
    "  --seconds S           how long to issue requests (default 1)\n"
    "  --rate N              requests per second, mode rate\n"
    "  --message-bytes N     payload of a WebSocket message (default 128)\n"
    "  --expect-bytes N      body length that every response must have\n";

constexpr std::array<option, 12> kOptions{{{"mode", required_argument, nullptr, 'm'},
                                           {"address", required_argument, nullptr, 'a'},
                                           {"path", required_argument, nullptr, 'p'},
                                           {"connections", required_argument, nullptr, 'c'},
                                           {"seconds", required_argument, nullptr, 's'},
                                           {"rate", required_argument, nullptr, 'r'},
                                           {"message-bytes", required_argument, nullptr, 'b'},
                                           {"expect-bytes", required_argument, nullptr, 'e'},
                                           {"tls", no_argument, nullptr, 't'},
                                           {"resume", no_argument, nullptr, 'u'},
                                           {"help", no_argument, nullptr, 'h'},
                                           {nullptr, 0, nullptr, 0}}};

[[noreturn]] void refuse(const char* why) {
  fmt::print(stderr, "bench_load: {}\n{}", why, kHelp);
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  int choice = 0;
  while ((choice = getopt_long(argc, argv, "", kOptions.data(), nullptr)) != -1) {
    switch (choice) {
      case 'm':
        options.mode = optarg;
        break;
      case 'a':
        options.address = parse_address(optarg);
        break;
      case 'p':
        options.path = optarg;
        break;
      case 'c':
        options.connections = static_cast<unsigned>(std::strtoul(optarg, nullptr, 10));
        break;
      case 's':
        options.seconds = std::strtod(optarg, nullptr);
        break;
      case 'r':
        options.rate = std::strtod(optarg, nullptr);
        break;
      case 'b':
        options.message_bytes = std::strtoul(optarg, nullptr, 10);
        break;
      case 'e':
        options.expect_bytes = std::strtol(optarg, nullptr, 10);
        break;
      case 't':
        options.tls = true;
        break;
      case 'u':
        options.resume = true;
        break;
      case 'h':
        fmt::print("{}", kHelp);
        std::exit(0);
      default:
        refuse("unknown option");
    }
  }
  if (optind < argc) refuse("unexpected argument");
  if (options.address.sin_port == 0) refuse("--address is required");
  if (options.connections == 0 || !(options.seconds > 0))
    refuse("--connections and --seconds must be positive");
  if (options.mode == "rate" && !(options.rate > 0 && options.rate <= 1e6))
    refuse("--rate must be 1 to 1000000");
  if (options.message_bytes > kMaxPayloadBytes) refuse("--message-bytes is too large");
  return options;
}

Results run(const Options& options) {
  const bool has_tls = options.mode == "closed" || options.mode == "connection" || options.mode == "idle";
  if (has_tls && options.tls) return run_tls(options);
  if (options.tls) refuse("no TLS in this mode");
  if (options.mode == "closed" || options.mode == "connection" || options.mode == "rate")
    return run_http(options);
  if (options.mode == "websocket_echo") return run_websocket_echo(options);
  if (options.mode == "websocket_idle") return run_websocket_idle(options);
  refuse("unknown --mode");
}

}  // namespace
}  // namespace azulb::bench

int main(int argc, char** argv) {
  using namespace azulb::bench;
  raise_descriptor_limit();
  const Options options = parse(argc, argv);
  const Results results = run(options);
  print_json(options, results);
  return results.errors == 0 ? 0 : 1;
}
