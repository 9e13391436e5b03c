#include "azulb/daemon/control_commands.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "azulb/balance/server_state.hpp"
#include "azulb/base/units.hpp"
#include "control_target.hpp"
#include "status_text.hpp"

namespace azulb::daemon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto poll_interval = std::chrono::milliseconds(100);

constexpr const char* exit_statuses = R"(
Exit status: 0 done; 1 azulb refuses (unknown server, no or the wrong token); 2 wrong command line;
3 no azulb answers at the admin address; 4 not in the wanted state (within --timeout, if there is one).)";

int failed(const Refusal& refusal) {
  fmt::print(stderr, "azulb: {}\n", printable(refusal.message));
  return refusal.exit_status;
}

/// A line on the terminal that is written over; elsewhere nothing.
class Progress {
 public:
  void show(const std::string& text) {
    if (!terminal_) return;
    fmt::print(stderr, "\r\x1b[K{}", text);
    std::fflush(stderr);
    shown_ = true;
  }
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
};

std::string seconds_since(Clock::time_point start) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(Clock::now() - start).count());
}

std::string what_is_left(const Json& server) {
  const auto tunnels = server.value("tunnels", std::uint64_t{0});
  const auto active = server.value("active", std::uint64_t{0});
  return fmt::format("{} requests and {} tunnels are left", active - std::min(active, tunnels), tunnels);
}

}  // namespace

struct ControlCommands::State {
  TargetOptions target;
  std::string server;
  std::string upstream;
  std::string timeout_text = "60s";
  std::string address;
  std::string name;
  std::uint32_t weight = 0;
  bool json = false;
  bool wait = false;
  bool no_wait = false;
  std::function<int()> chosen;

  int status();
  int servers();
  int drain();
  int disable();
  int enable();
  int weigh();
  int add();
  int remove();

  /// The server and the client that was found for it, or the exit status.
  struct Reached {
    admin::LocalClient client;
    FoundServer server;
  };
  tl::expected<Reached, int> reach() const;
  /// Asks for `action`; the server's record, or the exit status.
  tl::expected<Json, int> act(const Reached& reached, const char* action, const Json& body) const;
  int wait_for(const Reached& reached, const std::function<bool(const Json&)>& is_done,
               const std::function<std::string(const Json&)>& so_far) const;
  void tell(const Json& server, const std::string& sentence) const;
};

tl::expected<ControlCommands::State::Reached, int> ControlCommands::State::reach() const {
  auto client = find_azulb(target);
  if (!client) return tl::unexpected(failed({control_usage, client.error().message}));
  auto found = find_server(*client, server);
  if (!found) return tl::unexpected(failed(found.error()));
  return Reached{*std::move(client), *std::move(found)};
}

tl::expected<Json, int> ControlCommands::State::act(const Reached& reached, const char* action,
                                                    const Json& body) const {
  const auto answer = post(reached.client, reached.server.path + "/" + action, body);
  if (!answer) return tl::unexpected(failed(answer.error()));
  return answer->value("server", Json::object());
}

void ControlCommands::State::tell(const Json& record, const std::string& sentence) const {
  if (json) {
    fmt::print("{}\n", record.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}\n", sentence);
  }
}

int ControlCommands::State::wait_for(const Reached& reached, const std::function<bool(const Json&)>& is_done,
                                     const std::function<std::string(const Json&)>& so_far) const {
  const auto limit = base::parse_duration(timeout_text);
  const auto start = Clock::now();
  Progress progress;
  for (;;) {
    const auto record = get(reached.client, reached.server.path);
    if (!record) return failed(record.error());
    if (is_done(*record)) {
      tell(*record, fmt::format("{} after {}", so_far(*record), seconds_since(start)));
      return control_done;
    }
    if (limit->count() > 0 && Clock::now() - start >= *limit) {
      tell(*record, so_far(*record));
      fmt::print(stderr, "azulb: not within {}\n", base::format_duration(*limit));
      return control_not_yet;
    }
    progress.show(fmt::format("{} ({})", so_far(*record), seconds_since(start)));
    std::this_thread::sleep_for(poll_interval);
  }
}

int ControlCommands::State::status() {
  const auto client = find_azulb(target);
  if (!client) return failed({control_usage, client.error().message});
  const auto state = get(*client, "/state");
  if (!state) return failed(state.error());
  bool ready = !state->value("process", Json::object()).value("draining", false);
  for (const Json& each : state->value("upstreams", Json::array()))
    ready = ready && each.value("availability", "") == "available";
  if (json) {
    fmt::print("{}\n", state->dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}", status_text(*state, wants_colour()));
  }
  return ready ? control_done : control_not_yet;
}

/// For scripts, so in columns that are easily taken apart.
int ControlCommands::State::servers() {
  const auto client = find_azulb(target);
  if (!client) return failed({control_usage, client.error().message});
  const auto found = upstream.empty() ? get(*client, "/servers") : get(*client, upstream_path(upstream));
  if (!found) return failed(found.error());
  const Json upstreams = found->contains("upstreams") ? (*found)["upstreams"] : Json::array({*found});
  if (json) {
    fmt::print("{}\n", upstreams.dump(2, ' ', false, Json::error_handler_t::replace));
    return control_done;
  }
  for (const Json& each : upstreams) {
    for (const Json& record : each.value("servers", Json::array())) {
      fmt::print("{}/{}\t{}\t{}\n", printable(each.value("name", "")), printable(record.value("name", "")),
                 printable(record.value("address", "")), state_word(record));
    }
  }
  return control_done;
}

int ControlCommands::State::drain() {
  const auto reached = reach();
  if (!reached) return reached.error();
  const std::string& label = reached->server.label;
  const auto record = act(*reached, "drain", Json::object());
  if (!record) return record.error();
  if (no_wait) {
    tell(*record, fmt::format("{} is draining: {}", label, what_is_left(*record)));
    return control_done;
  }
  const auto is_empty = [](const Json& now) { return now.value("active", std::uint64_t{1}) == 0; };
  return wait_for(*reached, is_empty, [&](const Json& now) {
    return is_empty(now) ? label + " is empty" : fmt::format("{} is draining: {}", label, what_is_left(now));
  });
}

int ControlCommands::State::disable() {
  const auto reached = reach();
  if (!reached) return reached.error();
  const auto record = act(*reached, "disable", Json::object());
  if (!record) return record.error();
  tell(*record, fmt::format("{} is disabled: {}", reached->server.label, what_is_left(*record)));
  return control_done;
}

int ControlCommands::State::enable() {
  const auto reached = reach();
  if (!reached) return reached.error();
  const std::string& label = reached->server.label;
  const auto record = act(*reached, "enable", Json::object());
  if (!record) return record.error();
  const auto so_far = [&](const Json& now) {
    return fmt::format("{} is enabled and {}", label, state_word(now));
  };
  if (wait)
    return wait_for(
        *reached, [](const Json& now) { return now.value("available", false); }, so_far);
  tell(*record, so_far(*record));
  return control_done;
}

int ControlCommands::State::weigh() {
  const auto reached = reach();
  if (!reached) return reached.error();
  const auto record = act(*reached, "weight", {{"weight", weight}});
  if (!record) return record.error();
  tell(*record, fmt::format("{} has weight {}", reached->server.label, weight));
  return control_done;
}

int ControlCommands::State::add() {
  auto client = find_azulb(target);
  if (!client) return failed({control_usage, client.error().message});
  Json body = {{"address", address}};
  if (!name.empty()) body["name"] = name;
  if (weight != 0) body["weight"] = weight;
  const auto answer = post(*client, upstream_path(upstream), body);
  if (!answer) return failed(answer.error());
  const std::string added = answer->value("server", Json::object()).value("name", "");
  const Reached reached{*std::move(client), named_server(upstream, added)};
  const std::string& label = reached.server.label;
  if (wait) {
    return wait_for(
        reached, [](const Json& now) { return now.value("available", false); },
        [&](const Json& now) { return fmt::format("{} is added and {}", label, state_word(now)); });
  }
  tell(*answer, label + (answer->value("changed", true) ? " is added" : " was added before"));
  return control_done;
}

int ControlCommands::State::remove() {
  const auto reached = reach();
  if (!reached) return reached.error();
  const auto record = act(*reached, "remove", Json::object());
  if (!record) return record.error();
  tell(*record, fmt::format("{} is removed: {}", reached->server.label, what_is_left(*record)));
  return control_done;
}

ControlCommands::ControlCommands(CLI::App& app) : state_(std::make_unique<State>()) {
  State& state = *state_;
  const auto add = [&](const char* name, const char* help, int (State::*action)()) {
    CLI::App* command = app.add_subcommand(name, help);
    command->footer(exit_statuses);
    add_target_options(*command, state.target);
    command->add_flag("--json", state.json, "Print the answer as JSON");
    command->callback([&state, action] { state.chosen = [&state, action] { return (state.*action)(); }; });
    return command;
  };
  const auto add_server = [&](CLI::App* command) {
    command
        ->add_option("server", state.server,
                     "app1, or UPSTREAM/app1 where several upstreams have one of that name")
        ->type_name("SERVER")
        ->required();
  };
  const auto add_timeout = [&](CLI::App* command) {
    command->add_option("--timeout", state.timeout_text, "How long to wait; 0: for ever")
        ->type_name("DURATION")
        ->capture_default_str()
        ->check([](const std::string& text) {
          const auto parsed = base::parse_duration(text);
          return parsed ? std::string() : parsed.error().message;
        });
  };
  add("status", "Show listeners, upstreams and servers of the running azulb", &State::status);

  add("servers", "List servers: name, address and state, between tabs", &State::servers)
      ->add_option("upstream", state.upstream, "Of this upstream only")
      ->type_name("UPSTREAM");

  CLI::App* drain = add("drain", "Give a server nothing new, and wait until it is empty", &State::drain);
  add_server(drain);
  add_timeout(drain);
  drain->add_flag("--no-wait", state.no_wait, "Do not wait");

  add_server(add("disable", "As drain, but check it no more and do not wait", &State::disable));

  CLI::App* enable = add("enable", "Use a drained or disabled server again", &State::enable);
  add_server(enable);
  enable->add_flag("--wait", state.wait, "Wait until it is up and may be chosen");
  add_timeout(enable);

  CLI::App* weight = add("weight", "Change a server's weight", &State::weigh);
  add_server(weight);
  weight->add_option("weight", state.weight, "1 to 65535")
      ->type_name("N")
      ->required()
      ->check(CLI::Range(std::uint32_t{1}, balance::max_weight));

  CLI::App* added = add("add", "Add a server to an upstream; it serves once it is up", &State::add);
  added->add_option("upstream", state.upstream, "Where to add it")->type_name("UPSTREAM")->required();
  added->add_option("address", state.address, "Such as 10.0.0.7:3000, [::1]:3000 or unix:/run/app.sock")
      ->type_name("ADDRESS")
      ->required();
  added->add_option("--name", state.name, "Its name; the address by default")->type_name("NAME");
  added->add_option("--weight", state.weight, "1 to 65535; 1 by default")
      ->type_name("N")
      ->check(CLI::Range(std::uint32_t{1}, balance::max_weight));
  added->add_flag("--wait", state.wait, "Wait until it is up and may be chosen");
  add_timeout(added);

  add_server(add("remove", "Take a server away, whatever gave it; what runs on it goes on", &State::remove));
}

ControlCommands::~ControlCommands() = default;

std::optional<int> ControlCommands::run() {
  if (!state_->chosen) return std::nullopt;
  return state_->chosen();
}

}  // namespace azulb::daemon
