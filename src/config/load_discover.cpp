// [upstream.NAME.discover]
#include <algorithm>

#include "tables.hpp"

namespace azulb::config {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr const char* kDnsForms =
    "it is \"app.internal:3000\", for its addresses, or \"_http._tcp.app.internal\", for its SRV records";

/// Without a dot at its end, which says that no search domain is to be appended.
std::string_view without_root(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

/// "_http._tcp.app.internal" (RFC 2782).
std::optional<Fault> check_service(std::string_view value) {
  if (value.find(':') != std::string_view::npos)
    return Fault{"SRV records bring their ports along: leave " + quote(value.substr(value.find(':'))) +
                 " out"};
  const std::string_view name = without_root(value);
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || !name.substr(dot).starts_with("._tcp.") || dot == 1 ||
      !is_host_name(name)) {
    return Fault{quote(value) + " is not the name of a service over TCP", {}, kDnsForms};
  }
  return {};
}

std::optional<Fault> check_dns(std::string_view value) {
  if (value.empty()) return {};
  if (value.starts_with('_')) return check_service(value);
  const base::Result<base::HostPort> parsed = base::parse_host_port(value);
  if (!parsed) return Fault{parsed.error().message, {}, kDnsForms};
  if (parsed->is_unix || base::IpAddress::parse(parsed->host))
    return Fault{quote(value) + " is no name to look up: it belongs to servers"};
  if (parsed->port == 0) return Fault{quote(value) + " needs a port from 1 to 65535", {}, kDnsForms};
  if (!is_host_name(without_root(parsed->host)))
    return Fault{quote(value) + " is not a host name with a port", {}, kDnsForms};
  return {};
}

void read_resolver(TableReader& table, std::string& resolver) {
  const std::optional<Text> text = table.text("resolver");
  if (!text || text->value.empty()) return;
  if (const auto ip = base::IpAddress::parse(text->value)) {
    resolver = base::SocketAddress::from_ip(*ip, kDnsPort).text();
    return;
  }
  const base::Result<base::HostPort> parsed = base::parse_host_port(text->value);
  const auto ip = parsed && parsed->port != 0 ? base::IpAddress::parse(parsed->host) : base::failure("");
  if (!ip) {
    return table.context().report(
        *text, {"a resolver is an address, not " + quote(text->value), {}, "such as \"127.0.0.1:53\""});
  }
  resolver = base::SocketAddress::from_ip(*ip, parsed->port).text();
}

}  // namespace

void read_discover(TableReader& table, Discover& discover, bool has_servers) {
  const bool dns_is_wrong = !table.text("dns", discover.dns, check_dns) && table.has("dns");
  read_resolver(table, discover.resolver);
  table.duration("min_ttl", discover.min_ttl, {100ms, 1h});
  const bool file_is_wrong = !table.text("file", discover.file) && table.has("file");
  const bool is_nothing = discover.dns.empty() && discover.file.empty() && !dns_is_wrong && !file_is_wrong;
  if (is_nothing && !has_servers && !table.is_misspelled("dns") && !table.is_misspelled("file"))
    table.context().report(table.position(), table.path(),
                           {"there is nothing to discover: set dns or file, or add servers to the upstream"});
}

}  // namespace azulb::config
