// The file that holds the process's id, for service scripts.
#pragma once

#include <string>

#include "azulb/base/result.hpp"

namespace azulb::daemon {

/// Removes its file when it is destroyed, unless it has given it up.
class PidFile {
 public:
  PidFile() = default;
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  ~PidFile();

  /// Opens it for `write`, while this process may, and changes nothing in it yet. An empty path does nothing.
  /// `inherited`: a predecessor's descriptor, or -1; taken over, and used where it is the same file, which
  /// this process may have no right to open.
  base::Result<void> open(const std::string& path, int inherited);
  /// Puts this process's id there.
  base::Result<void> write();

  /// A successor has taken it, and writes its own id there.
  void give_up() { owned_ = false; }

  /// For a successor; -1: there is none.
  int descriptor() const { return descriptor_; }
  bool is_inherited() const { return inherited_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  bool inherited_ = false;
  bool owned_ = false;  // it is ours to remove
};

}  // namespace azulb::daemon
