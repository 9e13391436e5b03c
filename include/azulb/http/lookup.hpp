// Finds single values in cookies and queries, for hash keys and routes. Views into the head.
#pragma once

#include <optional>
#include <string_view>

#include "azulb/http/head.hpp"

namespace azulb::http {

/// The first cookie of that name (case-sensitive) over all Cookie fields (RFC 6265 section 4.2); without the
/// quotes that may stand around a value.
std::optional<std::string_view> find_cookie(const RequestHead& head, std::string_view name);

/// The first value of that key in a query string (without "?"); a key without "=" has an empty value. Keys
/// are compared as they were sent, without percent-decoding.
std::optional<std::string_view> find_query(std::string_view query_string, std::string_view name);

/// Whether the query string (without "?") holds the key with that value, both percent-decoded and "+" read as
/// a space, with "&" or ";" between pairs. A key without "=" has an empty value.
bool query_has(std::string_view query_string, std::string_view name, std::string_view value);

}  // namespace azulb::http
