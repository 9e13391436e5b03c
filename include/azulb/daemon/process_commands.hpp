// The commands that change a running azulb as a whole: reload, upgrade.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

namespace azulb::daemon {

class ProcessCommands {
 public:
  explicit ProcessCommands(CLI::App& app);
  ~ProcessCommands();

  /// Runs the command that was parsed and returns the exit status, one of ControlExit; nothing if it was none
  /// of these.
  std::optional<int> run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace azulb::daemon
