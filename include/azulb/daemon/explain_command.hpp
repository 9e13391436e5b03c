// `azulb explain GET http://host/path`: what becomes of a request, in the running azulb or by a file alone.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

namespace azulb::daemon {

class ExplainCommand {
 public:
  explicit ExplainCommand(CLI::App& app);
  ~ExplainCommand();

  /// Runs the command if it was parsed and returns the exit status, one of ControlExit.
  std::optional<int> run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace azulb::daemon
