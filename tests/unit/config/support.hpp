// Shared by the loader's tests: a world of its own, and one diagnostic a line.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "azulb/config/load.hpp"

namespace azulb::config::test {

/// The least that is a configuration.
inline constexpr const char* kLeast =
    "listener.http.address = \":8080\"\nupstream.app.servers = [\"127.0.0.1:3000\"]\n";

inline LoadOptions world(std::map<std::string, std::string> variables = {},
                         std::map<std::string, std::string> files = {}) {
  LoadOptions options;
  options.cpus = 4;
  options.environment = [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return {};
    return found->second;
  };
  options.read_file = [files](const std::string& path) -> base::Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return base::failure("No such file or directory", 2);
    return found->second;
  };
  return options;
}

/// "line:column key: message [suggestion]" for each diagnostic.
inline std::vector<std::string> faults(const std::string& text, const LoadOptions& options = world()) {
  std::vector<std::string> lines;
  const LoadResult result = load_text(text, "test.toml", options);
  if (result) return lines;
  for (const Diagnostic& diagnostic : result.error()) {
    std::string line = std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column) + " " +
                       diagnostic.key + ": " + diagnostic.message;
    if (!diagnostic.suggestion.empty()) line += " [" + diagnostic.suggestion + "]";
    lines.push_back(line);
  }
  return lines;
}

/// The Config of `text`; its diagnostics fail the test.
inline Config loaded(const std::string& text, const LoadOptions& options = world()) {
  LoadResult result = load_text(text, "test.toml", options);
  if (!result) FAIL(render(result.error()));
  return std::move(*result);
}

/// The only fault of `text`, or all of them in one string.
inline std::string only_fault(const std::string& text, const LoadOptions& options = world()) {
  std::string all;
  for (const std::string& line : faults(text, options))
    all += (all.empty() ? "" : "\n") + line;
  return all;
}

}  // namespace azulb::config::test
