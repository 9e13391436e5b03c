#include "azulb/http/target.hpp"

#include <cstddef>

#include "azulb/base/address.hpp"
#include "azulb/http/bytes.hpp"
#include "azulb/http/field.hpp"
#include "azulb/http/normal_path.hpp"
#include "decoded.hpp"

namespace azulb::http {
namespace {

/// Splits at "?"; an absolute-form's path may be missing (RFC 9112 section 3.2.4).
Defect split_path(std::string_view text, std::string_view path_if_none, Target& target) {
  const std::size_t mark = text.find('?');
  target.path = text.substr(0, mark);
  target.query = mark == std::string_view::npos ? std::string_view{} : text.substr(mark);
  if (target.path.empty()) target.path = path_if_none;
  const PathForm form = path_form(target.path);
  target.path_normal = form == PathForm::normal;
  return form == PathForm::malformed ? Defect::bad_target : Defect::none;
}

Defect parse_absolute(Method method, std::string_view text, Target& target) {
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return Defect::bad_target;
  target.form = TargetForm::absolute;
  target.scheme = text.substr(0, scheme_end);
  if (!equal_ignore_case(target.scheme, "http") && !equal_ignore_case(target.scheme, "https")) {
    return Defect::bad_target;
  }
  std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t authority_end = rest.find_first_of("/?");
  target.authority = rest.substr(0, authority_end);
  rest = authority_end == std::string_view::npos ? std::string_view{} : rest.substr(authority_end);
  Authority authority;
  if (!parse_authority(target.authority, authority)) return Defect::bad_target;
  return split_path(rest, method == Method::options && rest.empty() ? "*" : "/", target);
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned port = 0;
  for (const char byte : text) {
    if (!is_digit(byte)) return false;
    port = port * 10 + static_cast<unsigned>(byte - '0');
  }
  return port <= 65535;
}

/// How much of `text`, from its beginning, is *( unreserved / pct-encoded ): RFC 3986 section 3.2.2 without
/// sub-delims; covers IPv4 addresses.
std::size_t registered_name_size(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    while (at < text.size() && is_byte(text[at], class_host))
      ++at;
    const bool encoded = at + 2 < text.size() && text[at] == '%' && is_byte(text[at + 1], class_hex) &&
                         is_byte(text[at + 2], class_hex);
    if (!encoded) return at;
    at += 3;
  }
}

/// "[" IPv6address "]" (RFC 3986): groups of 1 to 4 hex digits, at most one "::", at the end perhaps an IPv4
/// address. Zone ids and IPvFuture are not taken.
bool is_ipv6_literal(std::string_view text) {
  if (text.size() < 4 || text.size() > 47 || text.find(':') == std::string_view::npos) return false;
  return base::IpAddress::parse(text.substr(1, text.size() - 2)).has_value();
}

}  // namespace

bool is_target_text(std::string_view text) {
  for (const char byte : text) {
    if (!is_byte(byte, class_target)) return false;
  }
  return !text.empty();
}

Defect parse_target(Method method, std::string_view text, Target& target) {
  target = Target{};
  if (text.empty()) return Defect::bad_target;
  if (text.front() == '/') return split_path(text, "/", target);
  if (text == "*") {
    target.form = TargetForm::asterisk;
    target.path = text;
    return method == Method::options ? Defect::none : Defect::bad_target;
  }
  return parse_absolute(method, text, target);
}

bool parse_authority(std::string_view text, Authority& authority) {
  authority = Authority{};
  if (text.empty()) return false;
  std::size_t host_end;
  if (text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return false;
    host_end = bracket + 1;
    if (!is_ipv6_literal(text.substr(0, host_end))) return false;
  } else {
    host_end = registered_name_size(text);
    if (host_end == 0) return false;
  }
  authority.host = text.substr(0, host_end);
  if (host_end == text.size()) return true;
  if (text[host_end] != ':') return false;
  authority.port = text.substr(host_end + 1);
  return authority.port.empty() || is_port(authority.port);  // RFC 3986 allows "host:"
}

bool has_method_override(std::string_view query_string) {
  std::size_t begin = 0;
  while (begin < query_string.size()) {
    std::size_t end = begin;
    while (end < query_string.size() && query_string[end] != '&' && query_string[end] != ';')
      ++end;
    if (query_string[begin] == '_' || query_string[begin] == '%') {
      const std::string_view pair = query_string.substr(begin, end - begin);
      if (decodes_to(pair.substr(0, pair.find('=')), "_method")) return true;
    }
    begin = end + 1;
  }
  return false;
}

}  // namespace azulb::http
