// The commands that ask or change a running azulb: status, servers, drain, disable, enable, weight,
// add, remove.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

namespace azulb::daemon {

/// What a script can tell from the exit status of these commands.
enum ControlExit : int {
  control_done = 0,
  control_refused = 1,      // azulb said no: an unknown server, no or the wrong token
  control_usage = 2,        // a wrong command line
  control_unreachable = 3,  // nobody answers at the admin address
  control_not_yet = 4,      // asked, but not in the wanted state (within --timeout)
};

class ControlCommands {
 public:
  explicit ControlCommands(CLI::App& app);
  ~ControlCommands();

  /// Runs the command that was parsed and returns the exit status; nothing if it was none of these.
  std::optional<int> run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace azulb::daemon
