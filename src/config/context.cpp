#include "context.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "rules.hpp"

namespace azulb::config {
namespace {

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

bool is_continuation_byte(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// The byte at which the character with the number `column` (from 1) begins.
std::size_t byte_offset(std::string_view line, std::uint32_t column) {
  std::size_t offset = 0;
  for (std::uint32_t passed = 1; offset < line.size() && passed < column; ++passed) {
    ++offset;
    while (offset < line.size() && is_continuation_byte(line[offset]))
      ++offset;
  }
  return offset;
}

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && is_letter(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9');
  });
}

}  // namespace

Context::Context(std::string_view text, std::string source, const LoadOptions& options)
    : source_(std::move(source)), options_(options), lines_(split_lines(text)) {}

std::string_view Context::line_text(std::uint32_t line) const {
  return line >= 1 && line <= lines_.size() ? lines_[line - 1] : std::string_view{};
}

void Context::report(Position position, std::string key, Fault fault) {
  diagnostics_.push_back(Diagnostic{source_, position.line, position.column, std::move(key),
                                    std::move(fault.message), std::string(line_text(position.line)),
                                    std::move(fault.suggestion), std::move(fault.hint)});
}

std::vector<Diagnostic> Context::take_diagnostics() {
  std::stable_sort(diagnostics_.begin(), diagnostics_.end(),
                   [](const Diagnostic& left, const Diagnostic& right) {
                     return std::tie(left.line, left.column) < std::tie(right.line, right.column);
                   });
  return std::move(diagnostics_);
}

Position Context::locate(Position start, std::string_view token) const {
  const std::string_view line = line_text(start.line);
  const std::size_t from = byte_offset(line, start.column);
  const std::size_t found = line.find(token, from);
  if (found == std::string_view::npos) return start;
  const std::string_view between = line.substr(from, found - from);
  const auto characters =
      std::count_if(between.begin(), between.end(), [](char c) { return !is_continuation_byte(c); });
  return {start.line, start.column + static_cast<std::uint32_t>(characters)};
}

/// The value of "NAME" or "NAME:-default", the inside of ${…}. An empty variable counts as missing where
/// there is a default, as in a shell.
std::optional<std::string> Context::variable(const Text& text, std::string_view inner) {
  const std::size_t separator = inner.find(":-");
  const std::string name(inner.substr(0, separator));
  const std::string written = "${" + std::string(inner) + "}";
  const Position position = locate(text.position, written);
  if (!is_variable_name(name)) {
    report(position, text.key, {quote(written) + " is not a variable: expected ${NAME} or ${NAME:-default}"});
    return {};
  }
  const std::optional<std::string> value =
      options_.environment ? options_.environment(name) : std::optional<std::string>{};
  const bool has_default = separator != std::string_view::npos;
  if (value && !(has_default && value->empty())) return value;
  if (has_default) return std::string(inner.substr(separator + 2));
  report(position, text.key,
         {"the environment variable " + quote(name) + " is not set",
          {},
          "set it, or give it a default: ${" + name + ":-…}"});
  return {};
}

bool Context::expand(Text& text, const std::vector<std::string_view>& kept) {
  std::string expanded;
  bool valid = true;
  std::string_view rest = text.value;
  for (std::size_t begin = rest.find("${"); begin != std::string_view::npos; begin = rest.find("${")) {
    expanded += rest.substr(0, begin);
    rest.remove_prefix(begin);
    const std::size_t end = rest.find('}');
    if (end == std::string_view::npos) {
      report(locate(text.position, "${"), text.key, {"\"${\" has no closing \"}\""});
      return false;
    }
    const std::string_view inner = rest.substr(2, end - 2);
    if (std::find(kept.begin(), kept.end(), inner) != kept.end()) {
      expanded += rest.substr(0, end + 1);
    } else if (const std::optional<std::string> value = variable(text, inner)) {
      expanded += *value;
    } else {
      valid = false;
    }
    rest.remove_prefix(end + 1);
  }
  expanded += rest;
  text.value = std::move(expanded);
  return valid;
}

}  // namespace azulb::config
