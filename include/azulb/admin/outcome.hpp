// What became of a change of the whole process that was asked for.
#pragma once

#include <sys/types.h>

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "azulb/config/difference.hpp"
#include "azulb/config/load.hpp"

namespace azulb::admin {

/// Why a reload changed nothing.
struct ReloadFailure {
  std::vector<config::Diagnostic> diagnostics;  // of the file; as `--check` shows them
  std::string error;                            // or another reason, if there are none

  /// Ends with a line feed.
  std::string text() const;
};

/// What a reload changed; empty: nothing.
struct ReloadReport {
  std::vector<config::Change> changes;
};

using ReloadOutcome = tl::expected<ReloadReport, ReloadFailure>;

/// Why this process goes on serving.
struct UpgradeFailure {
  std::string reason;  // a sentence
  std::string text;    // what the new process said: nothing, or lines
};

/// Who serves from now on.
struct UpgradeReport {
  pid_t process = 0;
  pid_t previous = 0;
};

using UpgradeOutcome = tl::expected<UpgradeReport, UpgradeFailure>;

}  // namespace azulb::admin
