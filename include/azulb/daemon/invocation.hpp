// How this process was started, so that another can be started in the same way.
#pragma once

#include <string>
#include <vector>

namespace azulb::daemon {

struct Invocation {
  /// The executable's path as it was given to the kernel, absolute: whatever lies there now, or what a
  /// symbolic link there leads to now, is what is started next time.
  std::string program;
  std::vector<std::string> arguments;  // the first names the program

  /// While the working directory is that of the start.
  static Invocation current(int argument_count, char** arguments);
};

}  // namespace azulb::daemon
