// TOML itself: what makes a text not one.
#pragma once

#include <optional>
#include <string_view>

#include "context.hpp"
#include "toml.hpp"

namespace azulb::config {

struct SyntaxFault {
  Position position;
  Fault fault;
};

/// What toml++ 3.3 must not be given, although it would come from a file that is no TOML anyway: a dotted key
/// with so many parts that the tree of tables is too deep to walk (the library limits the nesting of values,
/// not that of keys), and control or non-ASCII characters outside of strings and comments (some of them reach
/// what the library marks as unreachable).
std::optional<SyntaxFault> scan_syntax(std::string_view text);

/// The parsed text, or nothing, reported.
std::optional<toml::table> parse_toml(std::string_view text, Context& context);

}  // namespace azulb::config
