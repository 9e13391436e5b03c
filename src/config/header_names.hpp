// Which header fields the configuration may name, and for what.
#pragma once

#include "rules.hpp"

namespace azulb::config {

/// To match requests by: one that reaches the server as the client sent it.
std::optional<Fault> check_matched_header(std::string_view name);
/// To be set, added or removed: none that frames the message, belongs to the connection, or is azulb's to
/// set.
std::optional<Fault> check_request_header(std::string_view name);
std::optional<Fault> check_response_header(std::string_view name);

}  // namespace azulb::config
