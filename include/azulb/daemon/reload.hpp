// A reload, on its way from the file to the workers: what it needs, and what became of it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "azulb/admin/outcome.hpp"
#include "azulb/base/address.hpp"
#include "azulb/config/load.hpp"
#include "azulb/daemon/listener_sockets.hpp"
#include "azulb/proxy/access_log.hpp"
#include "azulb/proxy/snapshot.hpp"

namespace azulb::daemon {

/// Reads the configuration anew. Blocking; any thread. Empty: there is no file to read.
using ConfigSource = std::function<config::LoadResult()>;

using admin::ReloadFailure;
using admin::ReloadOutcome;
using admin::ReloadReport;
using admin::UpgradeFailure;
using admin::UpgradeOutcome;
using admin::UpgradeReport;

/// A configuration with all that takes time done: names are resolved, certificates read, routes compiled.
struct Preparation {
  std::shared_ptr<proxy::Snapshot> snapshot;  // not linked yet
  discovery::ServerLists servers;             // that the snapshot is made with
  ListenerAddresses listener_addresses;
  std::vector<base::SocketAddress> admin_addresses;
  proxy::AccessLogFormat access_log_format;
};

/// Blocking; any thread. `earlier`: the snapshot that runs, or null.
base::Result<Preparation> prepare(config::Config config, discovery::ServerLists servers,
                                  const proxy::Snapshot* earlier);

/// What a snapshot, which is linked, changes compared with the one before. Main.
ReloadReport compare(const proxy::Snapshot& before, const proxy::Snapshot& after);

}  // namespace azulb::daemon
