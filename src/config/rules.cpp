#include "rules.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/expression.hpp"
#include "azulb/config/nearest.hpp"

namespace azulb::config {
namespace {

constexpr std::size_t kLongestName = 128;
constexpr std::size_t kLongestQuote = 80;
constexpr std::size_t kLongestHost = 253;  // RFC 1035 §2.3.4
constexpr std::size_t kLongestLabel = 63;
constexpr std::string_view kTokenPunctuation = "!#$%&'*+-.^_`|~";

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Visible ASCII, no space.
bool is_visible(char c) {
  return c > 0x20 && c < 0x7f;
}

bool all_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_visible);
}

/// "%2F".
bool is_encoding(std::string_view text) {
  return text.size() == 3 && text.front() == '%' &&
         text.find_first_not_of("0123456789ABCDEFabcdef", 1) == std::string_view::npos;
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kLongestLabel &&
         std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
}

bool is_bracketed_ipv6(std::string_view host) {
  if (!host.starts_with('[') || !host.ends_with(']')) return false;
  host = host.substr(1, host.size() - 2);
  return host.find(':') != std::string_view::npos && base::IpAddress::parse(host).has_value();
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Where the port of "host:port" begins, at its colon; npos without one.
std::size_t port_begin(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const std::size_t bracket = host.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
    return std::string_view::npos;
  return colon;
}

}  // namespace

std::string quote(std::string_view text) {
  if (text.size() <= kLongestQuote) return "\"" + std::string(text) + "\"";
  std::size_t length = kLongestQuote;  // never in the middle of a character
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U)
    --length;
  return "\"" + std::string(text.substr(0, length)) + "…\"";
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || kTokenPunctuation.find(c) != std::string_view::npos;
  });
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

bool is_host_name(std::string_view name) {
  if (name.size() > kLongestHost) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

std::optional<Fault> check_name(std::string_view value) {
  if (value.empty()) return Fault{"a name must not be empty"};
  if (value.size() > kLongestName)
    return Fault{"a name is at most " + std::to_string(kLongestName) + " bytes long"};
  if (has_control_character(value)) return Fault{"a name must not contain control characters"};
  return {};
}

std::optional<Fault> check_method(std::string_view value) {
  static const std::vector<std::string_view> known{"GET",    "HEAD",  "POST",   "PUT",
                                                   "DELETE", "PATCH", "OPTIONS"};
  if (!is_token(value)) return Fault{quote(value) + " is not a method"};
  if (value == "CONNECT" || value == "TRACE")
    return Fault{"azulb answers " + std::string(value) + " with 405 and never forwards it"};
  for (const std::string_view method : known) {
    if (value != method && to_lower(value) == to_lower(method)) {
      return Fault{"methods are in capitals, not " + quote(value), std::string(method)};
    }
  }
  return {};
}

std::optional<Fault> check_path(std::string_view value) {
  if (auto fault = check_request_target(value)) return fault;
  if (value.find('?') != std::string_view::npos) {
    return Fault{"a path is matched without its query: leave out what follows \"?\""};
  }
  for (std::size_t at = value.find('%'); at != std::string_view::npos; at = value.find('%', at + 1)) {
    const std::string_view encoding = value.substr(at, 3);
    if (!is_encoding(encoding)) return Fault{quote(encoding) + " encodes nothing: write \"%\" as \"%25\""};
    if (encoding == "%00") return Fault{"azulb answers a path with \"%00\" with 400"};
  }
  return {};
}

std::optional<Fault> check_path_or_nothing(std::string_view value) {
  return value.empty() ? std::nullopt : check_path(value);
}

std::optional<Fault> check_expression(std::string_view value) {
  const auto compiled = base::Expression::compile(value);
  if (compiled) return {};
  return Fault{quote(value) + " is no regular expression: " + compiled.error().message,
               {},
               "the syntax is RE2's: https://github.com/google/re2/wiki/Syntax"};
}

std::optional<Fault> check_request_target(std::string_view value) {
  if (!value.starts_with('/')) return Fault{"a path begins with \"/\", not as " + quote(value)};
  if (!all_visible(value)) {
    return Fault{"a path must not contain spaces, control characters or non-ASCII ones; write them as %XX"};
  }
  if (value.find('#') != std::string_view::npos) return Fault{"a request's path has no \"#\" part"};
  return {};
}

std::optional<Fault> check_host_pattern(std::string_view value) {
  if (value == "*") return Fault{"\"*\" alone is not a host; leave host out to match any"};
  if (is_bracketed_ipv6(value)) return {};
  if (const std::size_t colon = port_begin(value);
      colon != std::string_view::npos && is_port(value.substr(colon + 1))) {
    return Fault{"the port of a Host is ignored: leave " + quote(value.substr(colon)) + " out"};
  }
  const std::string_view name = value.starts_with("*.") ? value.substr(2) : value;
  if (name.find('*') != std::string_view::npos) {
    return Fault{quote(value) + ": \"*\" may only be the whole first label, as in \"*.example.com\""};
  }
  if (!is_host_name(name))
    return Fault{quote(value) + " is not a host, such as \"example.com\" or \"*.example.com\""};
  return {};
}

std::optional<Fault> check_host_field(std::string_view value) {
  if (value.empty()) return {};
  const std::size_t colon = port_begin(value);
  const std::string_view host = value.substr(0, colon);
  const bool port_is_valid = colon == std::string_view::npos || is_port(value.substr(colon + 1));
  if (port_is_valid && (is_bracketed_ipv6(host) || is_host_name(host))) return {};
  return Fault{quote(value) + " cannot stand in a Host field: expected HOST or HOST:PORT"};
}

std::optional<Fault> check_server_name(std::string_view value) {
  if (value.empty() || is_host_name(value) || base::IpAddress::parse(value)) return {};
  return Fault{quote(value) + " is neither a host name nor an address (without a port)"};
}

std::optional<Fault> check_host_header(std::string_view value) {
  static const std::vector<std::string_view> words{"preserve", "upstream"};
  if (std::find(words.begin(), words.end(), value) != words.end()) return {};
  if (value.empty()) return Fault{"host_header must be preserve, upstream or a host"};
  for (const std::string_view word : words) {
    if (value.size() > 2 * word.size() || edit_distance(to_lower(value), word) > 2) continue;
    return Fault{quote(value) + " is neither preserve nor upstream, and hardly a host", std::string(word)};
  }
  return check_host_field(value);
}

std::optional<Fault> check_field_value(std::string_view value) {
  const bool valid =
      std::all_of(value.begin(), value.end(), [](char c) { return is_visible(c) || c == ' ' || c == '\t'; });
  if (!valid) return Fault{"a header's value must not contain control characters or non-ASCII ones"};
  return {};
}

std::optional<Fault> check_cookie_name(std::string_view value) {
  if (value.empty() || is_token(value)) return {};
  return Fault{quote(value) + " is not a cookie's name"};
}

std::optional<Fault> check_redirect_target(std::string_view value) {
  if (value.empty()) return Fault{"a redirect needs somewhere to lead to"};
  if (!all_visible(value)) {
    return Fault{
        "a redirect's target must not contain spaces, control characters or non-ASCII ones; write them as "
        "%XX"};
  }
  return {};
}

std::optional<Fault> check_bearer_token(std::string_view value) {
  if (!all_visible(value))
    return Fault{"a token must not contain spaces, control characters or non-ASCII ones"};
  return {};
}

}  // namespace azulb::config
