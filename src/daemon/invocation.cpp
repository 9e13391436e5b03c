#include "azulb/daemon/invocation.hpp"

#include <sys/auxv.h>

#include <filesystem>
#include <system_error>

namespace azulb::daemon {

Invocation Invocation::current(int argument_count, char** arguments) {
  Invocation invocation;
  invocation.arguments.assign(arguments, arguments + argument_count);
  // getauxval(3): the path given to execve(2), whatever the first argument says.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is how the kernel hands down pointers
  const auto* const given = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  const std::string path = given == nullptr ? "/proc/self/exe" : given;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  invocation.program = error ? path : absolute.string();
  return invocation;
}

}  // namespace azulb::daemon
