// A text that one process writes and its child reads, through a descriptor that the child inherits: as long
// as it likes, which a message is not.
#pragma once

#include <string>

#include "azulb/base/result.hpp"

namespace azulb::daemon {

/// The writer's end; the reader only has the descriptor. They do not use it at the same time.
class SharedText {
 public:
  SharedText() = default;
  SharedText(const SharedText&) = delete;
  SharedText& operator=(const SharedText&) = delete;
  ~SharedText();

  /// Replaces what was written before.
  base::Result<void> write(const std::string& text);
  /// -1 before the first `write`.
  int descriptor() const { return descriptor_; }

  static base::Result<std::string> read(int descriptor);

 private:
  int descriptor_ = -1;  // of memory, in no file system
};

}  // namespace azulb::daemon
