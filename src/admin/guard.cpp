#include "guard.hpp"

#include <openssl/crypto.h>
#include <strings.h>

#include <string>
#include <string_view>

#include "azulb/base/address.hpp"
#include "azulb/config/local_address.hpp"
#include "azulb/http/target.hpp"
#include "json.hpp"

namespace azulb::admin {
namespace {

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return left.size() == right.size() && strncasecmp(left.data(), right.data(), left.size()) == 0;
}

bool ends_ignoring_case(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

/// RFC 6750 section 2.1; takes the same time wherever the tokens differ.
bool has_token(std::string_view authorization, std::string_view token) {
  constexpr std::string_view scheme = "Bearer ";
  if (!equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return false;
  authorization.remove_prefix(scheme.size());
  return authorization.size() == token.size() &&
         CRYPTO_memcmp(authorization.data(), token.data(), token.size()) == 0;
}

/// An address, a name that resolves to this machine everywhere (RFC 6761 section 6.3), the configured one, or
/// one without a dot, which no site of the Internet can have.
bool is_own_host(std::string_view host, const base::HostPort& configured) {
  http::Authority authority;
  if (!http::parse_authority(host, authority)) return false;
  std::string_view name = authority.host;
  if (name.starts_with('[')) return true;
  if (name.ends_with('.')) name.remove_suffix(1);
  return base::IpAddress::parse(name).has_value() || ends_ignoring_case(name, ".localhost") ||
         name.find('.') == std::string_view::npos || equal_ignoring_case(name, configured.host);
}

bool is_own_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equal_ignoring_case(origin.substr(0, scheme.size()), scheme))
      return equal_ignoring_case(origin.substr(scheme.size()), host);
  }
  return false;
}

bool is_foreign(const AdminRequest& request) {
  if (!request.origin.empty() && !is_own_origin(request.origin, request.host)) return true;
  // A link to the dashboard is no harm: its page cannot be read by the site that links to it.
  const bool from_elsewhere = request.fetch_site == "cross-site" || request.fetch_site == "same-site";
  return from_elsewhere && request.fetch_mode != "navigate";
}

bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t'))
    type.remove_suffix(1);
  return equal_ignoring_case(type, "application/json");
}

}  // namespace

std::optional<AdminReply> refusal(const AdminRequest& request, const AdminSources& sources, Access access) {
  if (access != Access::probe) {
    const base::HostPort& address = sources.config->admin->address;
    if (!address.is_unix && config::is_local_address(address) && !is_own_host(request.host, address)) {
      return error_reply(403,
                         "the request's Host is no name of this machine: use localhost or " + address.text());
    }
    if (is_foreign(request)) return error_reply(403, "pages of other sites may not use this interface");
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const bool asks = reads || access == Access::ask;
  if (!asks && !sources.token.empty() && !has_token(request.authorization, sources.token)) {
    AdminReply reply = error_reply(401, "a bearer token is needed for what changes state (admin.token)");
    reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"azulb\"");
    return reply;
  }
  if ((access == Access::change || access == Access::ask) && !is_json(request.content_type))
    return error_reply(415, "the request must have Content-Type: application/json");
  return std::nullopt;
}

}  // namespace azulb::admin
