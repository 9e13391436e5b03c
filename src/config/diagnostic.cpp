#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "azulb/config/load.hpp"

namespace azulb::config {
namespace {

constexpr std::string_view kIndent = "    ";

/// Control characters as \xNN; a tab stays one where `keep_tabs`.
std::string printable(std::string_view text, bool keep_tabs) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = byte < 0x20 || byte == 0x7f;
    if (is_control && !(keep_tabs && c == '\t')) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

/// As wide as what is shown of `line` before its character number `column`, tabs as tabs.
std::string caret_prefix(std::string_view line, std::uint32_t column) {
  std::string prefix;
  std::uint32_t passed = 0;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0U) == 0x80U) continue;  // the rest of a character that is counted already
    if (++passed >= column) break;
    const bool is_escaped = (byte < 0x20 && c != '\t') || byte == 0x7f;
    prefix += is_escaped ? std::string(4, ' ') : std::string(1, c == '\t' ? '\t' : ' ');
  }
  if (passed < column) prefix += passed + 1 < column ? " " : "";  // behind the line's end
  return prefix;
}

}  // namespace

std::string render(const Diagnostic& diagnostic) {
  std::string text = printable(diagnostic.source, false);
  if (diagnostic.line > 0) text += fmt::format(":{}:{}", diagnostic.line, diagnostic.column);
  text += ": error: " + printable(diagnostic.message, false) + "\n";
  if (diagnostic.line_text.find_first_not_of(" \t") != std::string::npos) {
    text += fmt::format("{}{}\n{}{}^\n", kIndent, printable(diagnostic.line_text, true), kIndent,
                        caret_prefix(diagnostic.line_text, diagnostic.column));
  }
  if (!diagnostic.suggestion.empty()) {
    text += fmt::format("did you mean \"{}\"?\n", printable(diagnostic.suggestion, false));
  }
  if (!diagnostic.hint.empty()) text += printable(diagnostic.hint, false) + "\n";
  return text;
}

std::string render(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics)
    text += render(diagnostic);
  text += fmt::format("{} error{}\n", diagnostics.size(), diagnostics.size() == 1 ? "" : "s");
  return text;
}

}  // namespace azulb::config
