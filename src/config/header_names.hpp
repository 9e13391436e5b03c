// Which header fields the configuration may name, and for what.
#pragma once

#include "rules.hpp"

namespace azulb::config {

/// To match requests by: one that reaches the server as the client sent it.
std::optional<Fault> check_matched_header(std::string_view name);

}  // namespace azulb::config
