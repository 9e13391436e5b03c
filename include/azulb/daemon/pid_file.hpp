// The file that holds the process's id, for service scripts.
#pragma once

#include <string>

#include "azulb/base/result.hpp"

namespace azulb::daemon {

/// Removes its file when it is destroyed.
class PidFile {
 public:
  PidFile() = default;
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  ~PidFile();

  /// Writes this process's id; replaces an old file. An empty path does nothing.
  base::Result<void> write(const std::string& path);

 private:
  std::string path_;
};

}  // namespace azulb::daemon
