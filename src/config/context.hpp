// What all readers of one load share: the text, the environment, and the diagnostics so far.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/config/load.hpp"

namespace azulb::config {

/// Both from 1, the column in characters.
struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  auto operator<=>(const Position&) const = default;
};

/// A string of the configuration with its place and its key.
struct Text {
  std::string value;
  Position position;
  std::string key;
};

/// What is wrong with a value, without its place.
struct Fault {
  std::string message;
  std::string suggestion = {};
  std::string hint = {};
};

class Context {
 public:
  /// `text` and `options` must outlive the context.
  Context(std::string_view text, std::string source, const LoadOptions& options);

  const LoadOptions& options() const { return options_; }

  void report(Position position, std::string key, Fault fault);
  void report(const Text& text, Fault fault) { report(text.position, text.key, std::move(fault)); }
  bool has_faults() const { return !diagnostics_.empty(); }
  /// In file order.
  std::vector<Diagnostic> take_diagnostics();

  /// Replaces ${NAME} and ${NAME:-default} in `text.value`; the names in `kept` stay as they are. False, and
  /// reported, where a variable is missing or the syntax is wrong.
  bool expand(Text& text, const std::vector<std::string_view>& kept);

  /// Where `token` stands on the line of `start`, at or after it; `start` itself where it is not found (an
  /// escaped or a multi-line string).
  Position locate(Position start, std::string_view token) const;

  /// Without its end; empty where there is no such line.
  std::string_view line_text(std::uint32_t line) const;

 private:
  std::optional<std::string> variable(const Text& text, std::string_view inner);

  std::string source_;
  const LoadOptions& options_;
  std::vector<std::string_view> lines_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace azulb::config
