#include "azulb/daemon/pid_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace azulb::daemon {

PidFile::~PidFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

base::Result<void> PidFile::write(const std::string& path) {
  if (path.empty()) return {};
  std::FILE* file = std::fopen(path.c_str(), "we");
  const bool written = file != nullptr && std::fputs(fmt::format("{}\n", getpid()).c_str(), file) >= 0;
  const bool closed = file != nullptr && std::fclose(file) == 0;
  if (!written || !closed) {
    return base::system_failure(
        "cannot write process.pid_file " + path + " (create its directory, or make it writable)", errno);
  }
  path_ = path;
  return {};
}

}  // namespace azulb::daemon
