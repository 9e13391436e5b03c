// What the text of a value must look like. Each rule returns what is wrong, or nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "context.hpp"

namespace azulb::config {

using Rule = std::optional<Fault> (*)(std::string_view value);

/// In double quotes, long text cut.
std::string quote(std::string_view text);
/// ASCII only.
std::string to_lower(std::string_view text);
/// RFC 9110 §5.6.2.
bool is_token(std::string_view text);
bool has_control_character(std::string_view text);
/// Labels of letters, digits, "-" and "_", with dots between.
bool is_host_name(std::string_view name);

/// The name of a listener, route, upstream or server: not empty, at most 128 bytes, no control characters.
std::optional<Fault> check_name(std::string_view value);
/// RFC 9110 §9.1: a token, and not one that azulb always refuses.
std::optional<Fault> check_method(std::string_view value);
/// A route's path: "/…" without query, fragment, spaces and control characters, its percent-encodings valid.
std::optional<Fault> check_path(std::string_view value);
std::optional<Fault> check_path_or_nothing(std::string_view value);
/// A route's regular expression: RE2's syntax.
std::optional<Fault> check_expression(std::string_view value);
/// A health check's path: as check_path, with a query if wanted.
std::optional<Fault> check_request_target(std::string_view value);
/// "example.com", "*.example.com", "127.0.0.1", "[::1]".
std::optional<Fault> check_host_pattern(std::string_view value);
/// What may stand in a Host field: "example.com", "example.com:8080"; or nothing.
std::optional<Fault> check_host_field(std::string_view value);
/// What a certificate may be for: a host name or an address, without a port; or nothing.
std::optional<Fault> check_server_name(std::string_view value);
/// "preserve", "upstream" or what may stand in a Host field.
std::optional<Fault> check_host_header(std::string_view value);
/// RFC 9110 §5.5, ASCII only: no control characters but tab.
std::optional<Fault> check_field_value(std::string_view value);
/// RFC 6265 section 4.1.1: a token, or nothing.
std::optional<Fault> check_cookie_name(std::string_view value);
/// A redirect's target: not empty, no spaces or control characters.
std::optional<Fault> check_redirect_target(std::string_view value);
/// RFC 6750 §2.1: visible ASCII.
std::optional<Fault> check_bearer_token(std::string_view value);

}  // namespace azulb::config
