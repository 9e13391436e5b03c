// What differs between two configurations, for the report of a reload.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azulb/config/config.hpp"

namespace azulb::config {

struct Change {
  enum class Kind { added, removed, changed, at_restart };

  Kind kind = Kind::changed;
  std::string what;               // "listener", "route", "upstream", "server", or a table such as "process"
  std::string name;               // "http", "app/127.0.0.1:3001"; empty for a table that there is one of
  std::vector<std::string> keys;  // of something changed: which

  bool operator==(const Change&) const = default;
};

/// "added", "removed", "changed", "at_restart".
std::string_view to_string(Change::Kind kind);
/// "listener http: changed (backlog, timeout)".
std::string to_string(const Change& change);

/// Of upstreams' servers nothing is said: which ones there are is known only when names have been resolved.
std::vector<Change> differences(const Config& before, const Config& after);

}  // namespace azulb::config
