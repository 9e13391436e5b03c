#include "azulb/daemon/command_line.hpp"

#include <fmt/format.h>
#include <uv.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "azulb/config/load.hpp"
#include "azulb/daemon/account.hpp"
#include "azulb/daemon/control_commands.hpp"
#include "azulb/daemon/demo.hpp"
#include "azulb/daemon/explain_command.hpp"
#include "azulb/daemon/name_resolution.hpp"
#include "azulb/daemon/process.hpp"
#include "azulb/daemon/process_commands.hpp"
#include "azulb/daemon/proxy_command.hpp"
#include "azulb/tls/files.hpp"
#include "azulb/tls/ocsp.hpp"

namespace azulb::daemon {
namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

constexpr const char* examples = R"(
Examples:
  azulb -c conf/azulb.toml                     run with this configuration
  azulb -c conf/azulb.toml --check             only say what is wrong with it
  azulb proxy --listen :8080 --to 127.0.0.1:3001 --to 127.0.0.1:3002
                                               run without a file
  azulb demo                                   three replicas inside, to try things out
  azulb status                                 what the running azulb knows of its servers
  azulb explain GET http://localhost:8080/      which route and server it would get, and why
  azulb reload                                 go by the changed configuration, or say what is wrong with it
  azulb upgrade                                let the executable, which has been replaced, take over
  azulb drain app1 && deploy app1 && azulb enable app1 --wait

Signals: SIGTERM or SIGINT lets running requests finish, then ends (a second one ends at once);
SIGHUP reloads the configuration, SIGUSR1 reopens log files, SIGUSR2 lets the executable, started anew, take over. Every configuration key is explained in conf/reference.toml.)";

/// The end of a start that has come to nothing; whoever has asked for it hears why.
int failed(Predecessor& predecessor, const std::string& text) {
  fmt::print(stderr, "{}", text);
  predecessor.refuse(text);
  return exit_failure;
}

int serve(config::Config config, Origin origin, Predecessor& predecessor) {
  Process process;
  auto started = process.start(std::move(config), std::move(origin), predecessor);
  if (!started) return failed(predecessor, fmt::format("azulb: {}\n", started.error().message));
  process.run();
  return 0;
}

config::LoadOptions load_options() {
  config::LoadOptions options;
  options.tls.certificate = [](const std::string& cert, const std::string& key) -> base::Result<void> {
    if (auto read = tls::read_credentials(cert, key); !read) return tl::unexpected(read.error());
    return {};
  };
  options.tls.ocsp = tls::check_ocsp_response;
  options.tls.bundle = tls::check_bundle;
  options.tls.ciphers = tls::check_ciphers;
  options.account = account_checks();
  return options;
}

int run_file(const std::string& path, const Invocation& invocation) {
  Predecessor predecessor;
  auto config = config::load_file(path, load_options());
  if (!config) return failed(predecessor, config::render(config.error()));
  return serve(
      std::move(*config),
      {.invocation = invocation, .source = [path] { return config::load_file(path, load_options()); }},
      predecessor);
}

int check_file(const std::string& path) {
  const auto config = config::load_file(path, load_options());
  if (!config) {
    fmt::print(stderr, "{}", config::render(config.error()));
    return exit_failure;
  }
  fmt::print("{}: the configuration is valid ({} listeners, {} routes, {} upstreams)\n", path,
             config->listeners.size(), config->routes.size(), config->upstreams.size());
  std::fflush(stdout);
  static_cast<void>(look_up_servers(*config));
  return 0;
}

int run_proxy(const ProxyOptions& options, bool print_config, const Invocation& invocation) {
  Predecessor predecessor;
  const std::string text = proxy_configuration(options);
  auto config = config::load_text(text, "command line");
  if (!config) return failed(predecessor, config::render(config.error()));
  if (!print_config)
    return serve(std::move(*config), {.invocation = invocation, .source = nullptr}, predecessor);
  fmt::print("{}", text);
  return 0;
}

int run_demo(const std::string& listen, const std::string& admin, const Invocation& invocation) {
  Predecessor predecessor;
  DemoReplicas replicas;
  if (auto started = replicas.start(3); !started)
    return failed(predecessor, fmt::format("azulb demo: {}\n", started.error().message));
  auto config = demo_config(listen, admin, replicas.addresses());
  if (!config) return failed(predecessor, config::render(config.error()));
  Process process;
  auto started =
      process.start(std::move(*config), {.invocation = invocation, .source = nullptr}, predecessor);
  if (!started) return failed(predecessor, fmt::format("azulb demo: {}\n", started.error().message));
  fmt::print("{}", demo_text(process.listening_on().front().text(), process.admin_address().text(),
                             replicas.addresses()));
  std::fflush(stdout);
  process.run();
  replicas.stop();
  return 0;
}

std::string version_text() {
  return fmt::format("azulb {} (libuv {}, {})", AZULB_VERSION, uv_version_string(),
#if defined(__clang__)
                     "clang " __clang_version__
#else
                     "g++ " __VERSION__
#endif
  );
}

}  // namespace

int run(int argument_count, char** arguments) {
  const Invocation invocation = Invocation::current(argument_count, arguments);
  CLI::App app("azulb: a load balancer and reverse proxy for HTTP/1.1 and WebSocket", "azulb");
  app.footer(examples);
  app.set_version_flag("-v,--version", version_text(), "Print the version and exit");
  app.require_subcommand(0, 1);

  std::string file;
  bool check = false;
  auto* file_option = app.add_option("-c,--config", file, "Configuration file (TOML)")->type_name("FILE");
  app.add_flag("-t,--check", check,
               "Check the configuration, print every error with its place, and exit 0 or 1")
      ->needs(file_option);

  ProxyOptions proxy_options;
  bool print_config = false;
  CLI::App* proxy =
      app.add_subcommand("proxy", "Balance over servers given on the command line, without a file");
  proxy
      ->add_option("-l,--listen", proxy_options.listen,
                   "Address to accept on, such as :8080 or unix:/run/app.sock")
      ->type_name("ADDRESS")
      ->required();
  proxy->add_option("--to", proxy_options.to, "Server to forward to, such as 127.0.0.1:3001; repeat for each")
      ->type_name("ADDRESS")
      ->required();
  proxy
      ->add_option("--balance", proxy_options.balance,
                   "round_robin, least_connections, random_two, least_time or hash")
      ->capture_default_str();
  proxy->add_option("--health", proxy_options.health, "Path of a health check, such as /health")
      ->type_name("PATH");
  proxy->add_option("--admin", proxy_options.admin, "Address of the admin pages (/metrics, /state)")
      ->type_name("ADDRESS");
  proxy->add_option("--access-log", proxy_options.access_log, "off, stdout, stderr, syslog or a file")
      ->capture_default_str();
  proxy->add_flag("--print-config", print_config, "Print the same as a configuration file, and exit");

  std::string demo_listen = "127.0.0.1:8080";
  std::string demo_admin = "127.0.0.1:9900";
  CLI::App* demo = app.add_subcommand("demo", "Run in front of three replicas inside this process");
  demo->add_option("-l,--listen", demo_listen, "Address to accept on")
      ->type_name("ADDRESS")
      ->capture_default_str();
  demo->add_option("--admin", demo_admin, "Address of the admin pages")
      ->type_name("ADDRESS")
      ->capture_default_str();

  ControlCommands control(app);
  ProcessCommands whole(app);
  ExplainCommand explain(app);

  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  if (const auto status = control.run()) return *status;
  if (const auto status = whole.run()) return *status;
  if (const auto status = explain.run()) return *status;
  if (proxy->parsed()) return run_proxy(proxy_options, print_config, invocation);
  if (demo->parsed()) return run_demo(demo_listen, demo_admin, invocation);
  if (!file.empty()) return check ? check_file(file) : run_file(file, invocation);
  fmt::print(stderr, "azulb: what shall I do? Give a configuration with -c FILE, or a command.\n\n{}",
             app.help());
  return exit_usage;
}

}  // namespace azulb::daemon
