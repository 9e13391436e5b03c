// admin.state_file: a small text that outlives the process, replaced as a whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "azulb/base/result.hpp"
#include "azulb/daemon/background.hpp"

namespace azulb::daemon {

/// Main's.
class StateFile {
 public:
  explicit StateFile(Background& background);
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  /// What the file holds; nothing where there is none. Blocking.
  static base::Result<std::optional<std::string>> read(const std::string& path);
  /// Moves a file that makes no sense out of the way, to "<path>.bad". Blocking.
  static base::Result<void> set_aside(const std::string& path);

  /// "": none; nothing is written then, and nothing any more that waits to be.
  void set_path(const std::string& path);
  /// Replaces the file's contents, on another thread: whoever reads it finds the former text or this one,
  /// whatever happens meanwhile. Of texts that come while one is being written, the last is. Failures are
  /// logged.
  void write(std::string text);
  /// What `write` was last given is written when this returns. Blocking; at the end.
  void finish();

 private:
  struct Shared;
  void begin();
  void ended(const base::Result<void>& result);
  void tell(const base::Result<void>& result);

  Background& background_;
  const std::shared_ptr<Shared> shared_;  // with the threads that write
  std::string path_;
  std::string text_;  // the last one
  std::uint64_t number_ = 0;
  bool writing_ = false;
  bool waiting_ = false;  // the last one, for the end of that
  bool failing_ = false;
};

}  // namespace azulb::daemon
