// What became of a change of the whole process that was asked for.
#pragma once

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

}  // namespace azulb::admin
