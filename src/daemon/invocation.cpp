#include "azulb/daemon/invocation.hpp"

#include <sys/auxv.h>

#include <filesystem>
#include <system_error>

namespace azulb::daemon {

Invocation Invocation::current(int argument_count, char** arguments) {
  Invocation invocation;
  invocation.arguments.assign(arguments, arguments + argument_count);
  // getauxval(3): the path given to execve(2), whatever the first argument says.
  const auto* const path = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path == nullptr ? "/proc/self/exe" : path, error);
  invocation.program = error ? path : absolute.string();
  return invocation;
}

}  // namespace azulb::daemon
