// What the API has changed of servers' weights and administrative states, and the text in which that and the
// servers added and removed outlive a restart.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "azulb/balance/server_state.hpp"
#include "azulb/base/result.hpp"
#include "azulb/discovery/amendments.hpp"
#include "azulb/proxy/snapshot.hpp"

namespace azulb::daemon {

/// Of one server. Each holds until it is undone, or the server leaves; the weight also until the
/// configuration gives the server another than `instead_of`.
struct ServerChange {
  struct Weight {
    std::uint32_t weight;
    std::uint32_t instead_of;
    bool operator==(const Weight&) const = default;
  };
  balance::AdminState admin_state = balance::AdminState::enabled;
  std::optional<Weight> weight;

  bool operator==(const ServerChange&) const = default;
};

/// Main's.
class ServerChanges {
 public:
  /// [upstream][address]
  using Map = std::map<std::string, std::map<std::string, ServerChange>>;

  ServerChanges() = default;
  explicit ServerChanges(Map changes) : changes_(std::move(changes)) {}

  /// Takes note of how the server is now.
  void note(const std::string& upstream, const balance::ServerState& server);
  /// `snapshot`, which is linked, is about to serve in place of `earlier` (null: it is the first): its new
  /// servers become as they were made, and changes whose time is over are forgotten. Changes of servers that
  /// have not been found yet wait for them.
  void apply(proxy::Snapshot& snapshot, const proxy::Snapshot* earlier);
  /// These hold from now on, and no others: the servers of `snapshot` become as they say.
  void replace(Map changes, const proxy::Snapshot& snapshot);
  const Map& all() const { return changes_; }

 private:
  Map changes_;
};

struct SavedServers {
  discovery::AmendmentsByUpstream amendments;
  ServerChanges::Map changes;

  bool operator==(const SavedServers&) const = default;
};

/// JSON.
std::string write_servers(const SavedServers& servers);
/// The error says what is wrong with the text.
base::Result<SavedServers> read_servers(std::string_view text);

}  // namespace azulb::daemon
