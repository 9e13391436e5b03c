// [listener.NAME], and the addresses azulb accepts on
#include <algorithm>

#include "tables.hpp"

namespace azulb::config {
namespace {

constexpr std::uint64_t kUnlimited = 0;  // what the keys that may be "0" mean by it

void read_addresses(TableReader& table, Listener& listener, Once& bound) {
  const std::optional<std::vector<Text>> texts = table.texts("address");
  if (table.lacks("address")) {
    return table.report("address", {"the listener " + quote(listener.name) + " has no address",
                                    {},
                                    "add one, such as address = \"0.0.0.0:8080\""});
  }
  if (!texts) return;
  if (texts->empty()) table.report("address", {"\"address\" must name at least one address"});
  for (const Text& text : *texts) {
    if (auto address = read_bound_address(table.context(), text, bound))
      listener.address.push_back(std::move(*address));
  }
}

/// Whether any are named, valid or not.
bool read_trusted_proxies(TableReader& table, Listener& listener) {
  const std::optional<std::vector<Text>> texts = table.texts("trusted_proxies");
  if (!texts) return table.has("trusted_proxies");
  for (const Text& text : *texts) {
    if (const base::Result<base::Network> network = base::Network::parse(text.value)) {
      listener.trusted_proxies.push_back(*network);
    } else {
      table.context().report(text, {network.error().message});
    }
  }
  return !texts->empty();
}

/// A header from anybody could name any client: somebody must be trusted to tell the truth. Whoever may write
/// to a unix socket is.
void check_proxy_protocol(TableReader& table, const Listener& listener) {
  const bool only_unix = std::all_of(listener.address.begin(), listener.address.end(),
                                     [](const base::HostPort& address) { return address.is_unix; });
  if (!listener.proxy_protocol || only_unix) return;
  table.report("proxy_protocol",
               {"\"proxy_protocol\" takes connections from trusted_proxies only, and there are none",
                {},
                "name those who send the header, such as trusted_proxies = [\"10.0.0.0/8\"]"});
}

void read_timeout(TableReader& table, ListenerTimeout& timeout) {
  table.duration("header", timeout.header);
  table.duration("body", timeout.body);
  table.duration("send", timeout.send);
  table.duration("keepalive", timeout.keepalive);
  table.duration("tls_handshake", timeout.tls_handshake);
}

void read_limit(TableReader& table, ListenerLimit& limit) {
  constexpr std::int64_t kMostCount = 1'000'000'000;
  table.size("request_line", limit.request_line, {64, 1 << 20});
  table.size("header_bytes", limit.header_bytes, {256, 1 << 20});
  table.integer("headers", limit.headers, {1, 10'000});
  table.size("body", limit.body, {kUnlimited, 1ULL << 50});
  table.integer("requests_per_connection", limit.requests_per_connection, {kUnlimited, kMostCount});
  table.integer("connections_per_client", limit.connections_per_client, {kUnlimited, kMostCount});
  table.integer("http2_streams", limit.http2_streams, {1, 10'000});
}

}  // namespace

std::string canonical_address(const base::HostPort& address) {
  if (address.is_unix) return address.text();
  base::HostPort copy = address;
  if (copy.host.empty()) copy.host = "0.0.0.0";
  copy.host = to_lower(copy.host);
  if (const base::Result<base::IpAddress> ip = base::IpAddress::parse(copy.host)) copy.host = ip->text();
  return copy.text();
}

std::optional<base::HostPort> read_bound_address(Context& context, const Text& text, Once& bound) {
  base::Result<base::HostPort> address = base::parse_host_port(text.value);
  if (!address) {
    context.report(text,
                   {address.error().message,
                    {},
                    R"(an address is "127.0.0.1:8080", "[::1]:8080", ":8080" or "unix:/run/azulb.sock")"});
    return {};
  }
  const bool kernel_chooses_port = !address->is_unix && address->port == 0;
  if (!kernel_chooses_port && !bound.add(context, canonical_address(*address), text, "address")) return {};
  return std::move(*address);
}

void read_listener(TableReader& table, Listener& listener, Once& bound) {
  read_addresses(table, listener, bound);
  table.integer("backlog", listener.backlog, {1, 1 << 20});
  table.boolean("proxy_protocol", listener.proxy_protocol);
  if (!read_trusted_proxies(table, listener)) check_proxy_protocol(table, listener);
  table.boolean("http2", listener.http2);
  table.table("timeout", [&](TableReader& inner) { read_timeout(inner, listener.timeout); });
  table.table("limit", [&](TableReader& inner) { read_limit(inner, listener.limit); });
  table.table("tls", [&](TableReader& inner) { read_listener_tls(inner, listener.tls.emplace()); });
}

}  // namespace azulb::config
