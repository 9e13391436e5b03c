// The servers of an upstream as they stand at one moment: what is written, with its names resolved, and what
// was found beside it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "azulb/base/address.hpp"

namespace azulb::discovery {

struct FoundServer {
  std::string name;  // unique within its list
  base::SocketAddress address;
  std::string host;  // the name or address that led to it, which its certificate must prove; empty: a socket
  unsigned weight = 1;  // 1..65535
  std::string source;   // "servers" (of the configuration), "dns app.internal:3000", "file /run/servers.json"
  unsigned max_connections = 0;  // 0: as the upstream says

  bool operator==(const FoundServer&) const = default;
};

/// Each address once. In an order that depends only on what there is, not on when and how it was told.
using ServerList = std::vector<FoundServer>;

/// By the upstream's name.
using ServerLists = std::map<std::string, ServerList>;

}  // namespace azulb::discovery
