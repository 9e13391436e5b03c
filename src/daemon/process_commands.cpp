#include "azulb/daemon/process_commands.hpp"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string>

#include "azulb/daemon/control_commands.hpp"
#include "control_target.hpp"

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

// Names may take their time to resolve, and a large configuration its own.
constexpr base::Milliseconds reload_limit = 60s;

// The longest process.upgrade_timeout, and some.
constexpr base::Milliseconds upgrade_limit = 11min;

constexpr const char* exit_statuses = R"(
Exit status: 0 done; 1 azulb refuses, and all goes on as it was; 2 wrong command line; 3 no azulb answers at the
admin address.)";

/// As in the log; the lines of a text from a file are printable already.
std::string reload_text(const Json& answer) {
  std::string text;
  for (const Json& change : answer.value("changes", Json::array()))
    text += printable(change.value("text", "")) + "\n";
  return text.empty() ? "the configuration is reloaded: nothing has changed\n"
                      : "the configuration is reloaded\n" + text;
}

std::string upgrade_text(const Json& answer) {
  return fmt::format("process {} serves from here on; process {} ends when its last connection does\n",
                     answer.value("process", 0), answer.value("previous", 0));
}

}  // namespace

struct ProcessCommands::State {
  TargetOptions target;
  bool json = false;
  std::function<int()> chosen;

  int reload() const { return ask("/reload", reload_limit, reload_text); }
  int upgrade() const { return ask("/upgrade", upgrade_limit, upgrade_text); }

 private:
  int ask(const char* path, base::Milliseconds limit, std::string (*text)(const Json& answer)) const;
  int refused(const Refusal& refusal) const;
};

int ProcessCommands::State::ask(const char* path, base::Milliseconds limit,
                                std::string (*text)(const Json& answer)) const {
  const auto client = find_azulb(target);
  // A file with errors names no azulb; but it is the one to be loaded.
  if (!client)
    return refused({target.config.empty() ? control_usage : control_refused, client.error().message});
  const auto answer = post(*client, path, Json::object(), limit);
  if (!answer) return refused(answer.error());
  fmt::print("{}", json ? answer->dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : text(*answer));
  return control_done;
}

int ProcessCommands::State::refused(const Refusal& refusal) const {
  const bool answered = refusal.answer.is_object();
  if (json && answered)
    fmt::print("{}\n", refusal.answer.dump(2, ' ', false, Json::error_handler_t::replace));
  fmt::print(stderr, "azulb: {}\n", answered ? printable(refusal.message) : refusal.message);
  if (!json && answered) fmt::print(stderr, "{}", refusal.answer.value("text", ""));
  return refusal.exit_status;
}

ProcessCommands::ProcessCommands(CLI::App& app) : state_(std::make_unique<State>()) {
  State& state = *state_;
  const auto add = [&](const char* name, const char* help, int (State::*action)() const) {
    CLI::App* command = app.add_subcommand(name, help);
    command->footer(exit_statuses);
    add_target_options(*command, state.target);
    command->add_flag("--json", state.json, "Print the answer as JSON");
    command->callback([&state, action] { state.chosen = [&state, action] { return (state.*action)(); }; });
  };
  add("reload", "Have the running azulb read its configuration anew; says what changed, or what is wrong",
      &State::reload);
  add("upgrade",
      "Let the executable, started anew, take the running azulb's place without losing a connection",
      &State::upgrade);
}

ProcessCommands::~ProcessCommands() = default;

std::optional<int> ProcessCommands::run() {
  if (!state_->chosen) return std::nullopt;
  return state_->chosen();
}

}  // namespace azulb::daemon
