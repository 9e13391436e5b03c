// upstream.NAME.servers
#include <fmt/format.h>

#include <algorithm>

#include "tables.hpp"

namespace azulb::config {
namespace {

/// What must be said once in an upstream.
struct Seen {
  Once names;
  Once addresses;
};

/// Whether the server has an address, and one that no server before it has.
bool read_address(Context& context, const Text& text, Server& server, Seen& seen) {
  base::Result<base::HostPort> address = base::parse_host_port(text.value);
  if (!address) {
    context.report(text,
                   {address.error().message,
                    {},
                    R"(a server is "127.0.0.1:3000", "[::1]:3000", "app:3000" or "unix:/run/app.sock")"});
    return false;
  }
  if (!address->is_unix && (address->host.empty() || address->port == 0)) {
    context.report(text, {quote(text.value) +
                          " is nothing to connect to: a server has a host, and a port from 1 to 65535"});
    return false;
  }
  server.address = std::move(*address);
  server.name = server.address.text();
  return seen.addresses.add(context, canonical_address(server.address), text, "server");
}

void read_server_table(TableReader& table, Server& server, Seen& seen) {
  const std::optional<Text> address = table.text("address");
  const bool is_new = address && read_address(table.context(), *address, server, seen);
  if (table.lacks("address")) table.report("address", {"a server needs an address"});
  table.integer("weight", server.weight, {1, 65535});
  table.integer("max_connections", server.max_connections, {0, kMostServerRequests});
  if (const std::optional<Text> name = table.text("name")) {
    server.name = name->value;
    if (auto fault = check_name(name->value)) {
      table.context().report(*name, std::move(*fault));
    } else {
      seen.names.add(table.context(), server.name, *name, "server name");
    }
  } else if (is_new && !table.has("name")) {
    seen.names.add(table.context(), server.name, *address, "server name");
  }
  table.unsupported({"backup", "region"});
}

}  // namespace

void read_servers(TableReader& table, std::vector<Server>& servers, bool may_be_empty) {
  const std::string key = table.path_of("servers");
  const toml::node* node = table.node("servers");
  if (node == nullptr) {
    if (!may_be_empty && table.lacks("servers"))
      table.report("servers", {"an upstream needs servers", {}, "such as servers = [\"127.0.0.1:3000\"]"});
    return;
  }
  const toml::array* list = node->as_array();
  if (list == nullptr) return table.report_type(*node, key, "a list of servers");
  if (list->empty() && !may_be_empty) table.report("servers", {"an upstream needs at least one server"});
  Seen seen;
  std::size_t number = 0;
  for (const toml::node& element : *list) {
    const std::string path = fmt::format("{}[{}]", key, ++number);
    Server& server = servers.emplace_back();
    if (const toml::table* inner = element.as_table()) {
      TableReader reader(table.context(), *inner, path, begin_of(element));
      read_server_table(reader, server, seen);
    } else if (element.is_string()) {
      const std::optional<Text> text = table.text_of(element, path);
      if (text && read_address(table.context(), *text, server, seen)) {
        seen.names.add(table.context(), server.name, *text, "server name");
      }
    } else {
      table.report_type(element, path, "a string or a table");
    }
  }
}

void check_servers(TableReader& table, const std::vector<Server>& servers, const Upstream& upstream) {
  const bool has_unix = std::any_of(servers.begin(), servers.end(),
                                    [](const Server& server) { return server.address.is_unix; });
  if (!has_unix) return;
  if (upstream.health && upstream.health->port != 0)
    table.report("health", {"\"health.port\" has no meaning for a server on a unix socket"});
  if (upstream.tls && upstream.tls->verify && upstream.tls->server_name.empty()) {
    table.report("tls", {"a server on a unix socket has no name that its certificate could prove: set "
                         "tls.server_name, or tls.verify = false"});
  }
}

}  // namespace azulb::config
