// TOML itself: what makes a text not one.
#pragma once

#include <optional>
#include <string_view>

#include "context.hpp"
#include "toml.hpp"

namespace azulb::config {

/// The place of a dotted key with so many parts that the tree of tables would be too deep to walk. (toml++
/// limits the nesting of values, not that of keys.)
std::optional<Position> find_deep_key(std::string_view text);

/// The parsed text, or nothing, reported.
std::optional<toml::table> parse_toml(std::string_view text, Context& context);

}  // namespace azulb::config
