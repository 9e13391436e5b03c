#include "syntax.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "rules.hpp"

namespace azulb::config {
namespace {

constexpr int kMostKeyParts = 32;
constexpr std::size_t kLargestText = 4 * 1024 * 1024;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

/// Neither printable ASCII nor white space: TOML has such characters in strings and comments only.
bool is_never_bare(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\r') || byte >= 0x7f;
}

/// Behind the string that begins at `begin` with `quotation` (one or three quotes); the text's size if it
/// does not end.
std::size_t skip_string(std::string_view text, std::size_t begin) {
  const char quotation = text[begin];
  const std::string three(3, quotation);
  const bool multi_line = text.substr(begin, 3) == three;
  const std::string_view end = multi_line ? std::string_view(three) : std::string_view(three).substr(0, 1);
  for (std::size_t at = begin + end.size(); at < text.size(); ++at) {
    if (text[at] == '\\' && quotation == '"') {
      ++at;
    } else if (text[at] == '\n' && !multi_line) {
      return at;
    } else if (text.substr(at, end.size()) == end) {
      return at + end.size();
    }
  }
  return text.size();
}

/// What to do about a syntax error, from the line it is on: the slips of those who come from other formats.
std::string hint_for(std::string_view description, std::string_view line) {
  const auto says = [&](std::string_view part) { return description.find(part) != std::string_view::npos; };
  line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  if (says("redefine existing")) {
    return says("table header") ? "a table is written once; put all its keys under one header"
                                : "a key is written once in its table";
  }
  if (line.ends_with(';') || line.ends_with('{'))
    return "this looks like nginx's configuration; azulb reads TOML: key = value, tables as [name]";
  if (says("expected '='")) return "a line is key = value";
  if (says("unknown escape")) return "in double quotes a backslash is written \\\\; or use single quotes";
  if (says("parsing string")) return "the string has no closing quote on its line";
  if (says("parsing array")) return "the list has no closing \"]\", or a comma is missing";
  if (says("table header")) return "a header is [name] or [[name]] on a line of its own";
  if (says("inline table"))
    return "an inline table is { key = value, key = value } without a comma at its end";
  if (says("expected a comment or whitespace")) return "one key = value on a line";
  if (says("utf-8")) return "the file must be UTF-8";
  if (line.find('=') != std::string_view::npos)
    return "text, durations, sizes and addresses stand in quotes: \"30s\"";
  return {};
}

std::string message_for(std::string_view description) {
  constexpr std::string_view kPrefix = "Error ";
  if (description.starts_with(kPrefix)) description.remove_prefix(kPrefix.size());
  return "not valid TOML: " + std::string(description);
}

}  // namespace

std::optional<SyntaxFault> scan_syntax(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::uint32_t line = 1;
  std::size_t line_begin = 0;
  int parts = 1;
  const auto fault_at = [&](std::size_t at, std::string message) {
    const std::string_view before = text.substr(line_begin, at - line_begin);
    const auto characters = std::count_if(before.begin(), before.end(), begins_character);
    return SyntaxFault{{line, static_cast<std::uint32_t>(characters) + 1},
                       {"not valid TOML: " + std::move(message)}};
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      const std::size_t end = skip_string(text, at);
      const std::string_view skipped = text.substr(at, end - at);
      if (const auto breaks = std::count(skipped.begin(), skipped.end(), '\n'); breaks > 0) {
        line += static_cast<std::uint32_t>(breaks);
        line_begin = at + skipped.rfind('\n') + 1;
      }
      at = end - 1;
    } else if (c == '\n') {
      ++line;
      line_begin = at + 1;
      parts = 1;
    } else if (std::string_view("=,[]{}").find(c) != std::string_view::npos) {
      parts = 1;
    } else if (c == '.' && ++parts > kMostKeyParts) {
      return fault_at(at, "a key has at most " + std::to_string(kMostKeyParts) + " parts");
    } else if (is_never_bare(c)) {
      return fault_at(at, "this character may only stand in quotes or in a comment");
    }
  }
  return {};
}

std::optional<toml::table> parse_toml(std::string_view text, Context& context) {
  if (text.size() > kLargestText) {
    context.report({1, 1}, "", {"a configuration is at most 4 MiB large"});
    return {};
  }
  if (std::optional<SyntaxFault> found = scan_syntax(text)) {
    context.report(found->position, "", std::move(found->fault));
    return {};
  }
  toml::parse_result result = toml::parse(text);
  if (result) return std::move(result).table();
  const toml::parse_error& error = result.error();
  const toml::source_position begin = error.source().begin;
  const Position position{std::max<std::uint32_t>(begin.line, 1), std::max<std::uint32_t>(begin.column, 1)};
  context.report(position, "",
                 {message_for(error.description()),
                  {},
                  hint_for(error.description(), context.line_text(position.line))});
  return {};
}

}  // namespace azulb::config
