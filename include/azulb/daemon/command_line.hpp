// What the command line asks for, and what is done about it.
#pragma once

namespace azulb::daemon {

/// The whole of `azulb`: parses the arguments, runs, and returns the exit status (0; 1 for a configuration or
/// start-up error; 2 for a wrong command line).
int run(int argument_count, char** arguments);

}  // namespace azulb::daemon
