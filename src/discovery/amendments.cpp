// The part of UpstreamServers that people change while azulb runs.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/discovery/upstream_servers.hpp"

namespace azulb::discovery {
namespace {

// A slip in a script must not fill the memory.
constexpr std::size_t most_amendments = 10'000;

base::SocketAddress address_of(const config::Server& server) {
  const auto address = base::resolve(server.address, false);
  AZULB_ASSERT(address.has_value());
  return address->front();
}

}  // namespace

base::Result<bool> UpstreamServers::add(const config::Server& server) {
  const base::SocketAddress address = address_of(server);
  const std::string text = address.text();
  const bool is_plain =
      server.name == server.address.text() && server.weight == 1 && server.max_connections == 0;
  if (amendments_.removed.contains(text)) {
    if (!is_plain)
      return base::failure(fmt::format(
          "{} was removed, and comes back with the name and weight that it has there: leave out yours",
          text));
    amendments_.removed.erase(text);
    amended();
    return true;
  }
  if (std::find(amendments_.added.begin(), amendments_.added.end(), server) != amendments_.added.end())
    return false;
  for (const FoundServer& known : whole_list()) {
    if (known.address == address)
      return base::failure(fmt::format("{} is there already: {}, of {}", text, known.name, known.source));
    if (known.name == server.name) return base::failure("there is another server " + server.name);
  }
  if (amendments_.added.size() >= most_amendments)
    return base::failure(fmt::format("{} servers have been added already", most_amendments));
  amendments_.added.push_back(server);
  amended();
  return true;
}

void UpstreamServers::remove(const base::SocketAddress& address) {
  std::erase_if(amendments_.added,
                [&address](const config::Server& server) { return address_of(server) == address; });
  const ServerList sources = sources_list();
  const bool is_listed = std::any_of(sources.begin(), sources.end(), [&address](const FoundServer& server) {
    return server.address == address;
  });
  if (is_listed) amendments_.removed[address.text()] = true;
  amended();
}

void UpstreamServers::set_amendments(Amendments amendments) {
  amendments_ = std::move(amendments);
  amended();
}

void UpstreamServers::amended() {
  if (settled_) list_ = whole_list();  // else it is about to be made
}

void UpstreamServers::forget_old_removals() {
  if (amendments_.removed.empty()) return;
  std::set<std::string> listed;
  for (const FoundServer& server : sources_list())
    listed.insert(server.address.text());
  // One that has never been listed may be of a name that does not resolve yet.
  std::erase_if(amendments_.removed,
                [&listed](const auto& entry) { return entry.second && !listed.contains(entry.first); });
  for (auto& [address, was_listed] : amendments_.removed)
    was_listed = was_listed || listed.contains(address);
}

}  // namespace azulb::discovery
