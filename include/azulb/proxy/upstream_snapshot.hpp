// One upstream of a snapshot: its configuration, its servers, and what it takes over from the snapshot
// before.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "azulb/balance/upstream_state.hpp"
#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/discovery/server_list.hpp"
#include "azulb/tls/client_context.hpp"

namespace azulb::proxy {

/// What a request's Host says to the server: config::Upstream::host_header, read once.
enum class HostHeader : std::uint8_t { preserve, server, literal };

struct UpstreamSnapshot {
  /// Reads certificates: blocking, any thread. `earlier`: the upstream of that name so far, or null. `link`
  /// must follow, as after `with_servers`.
  static base::Result<std::unique_ptr<UpstreamSnapshot>> build(const config::Upstream& config,
                                                               std::uint32_t index,
                                                               const discovery::ServerList& servers,
                                                               const UpstreamSnapshot* earlier);
  /// As this one, with other servers.
  std::unique_ptr<UpstreamSnapshot> with_servers(const config::Upstream& same_config,
                                                 const discovery::ServerList& others) const;
  /// Main, just before the snapshot takes effect: makes the running state. Of `earlier` go on, with their
  /// health, ejections and counts, the servers with the same name, address and checks; and where nothing has
  /// changed that balancing knows of, the state as a whole.
  void link(const UpstreamSnapshot* earlier);

  const config::Upstream* config = nullptr;
  std::uint32_t index = 0;
  HostHeader host_header = HostHeader::preserve;
  // In the order of the state's servers:
  std::vector<balance::ServerSettings> servers;
  std::vector<base::SocketAddress> addresses;
  std::vector<std::string> tls_names;             // what each must prove to be; empty without TLS
  std::vector<std::string> sources;               // what each comes from: discovery::FoundServer::source
  std::shared_ptr<tls::ClientContext> tls;        // null: plain text
  std::shared_ptr<balance::UpstreamState> state;  // null until `link`
  /// Where each server stood in the upstream of this name in the snapshot before; nothing: it is new.
  std::vector<std::optional<std::uint32_t>> earlier_servers;
  std::optional<std::uint32_t> earlier_index;  // of the upstream itself

 private:
  static std::unique_ptr<UpstreamSnapshot> make(const config::Upstream& config, std::uint32_t index,
                                                const discovery::ServerList& servers);
  void find_earlier_servers(const UpstreamSnapshot& earlier);
  bool has_checks_of(const UpstreamSnapshot& earlier) const;
  bool keeps_state_of(const UpstreamSnapshot& earlier,
                      const std::vector<std::shared_ptr<balance::ServerState>>& states) const;
};

}  // namespace azulb::proxy
