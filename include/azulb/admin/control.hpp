// What the admin interface may change in the running process. Implemented by main; called on its thread.
#pragma once

#include <cstdint>
#include <functional>

#include "azulb/admin/outcome.hpp"
#include "azulb/balance/server_state.hpp"
#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"

namespace azulb::admin {

/// Upstreams and servers are named by their indexes in AdminSources.
class Control {
 public:
  using ReloadObserver = std::function<void(const ReloadOutcome& outcome)>;
  using UpgradeObserver = std::function<void(const UpgradeOutcome& outcome)>;

  /// True if the state was another. When it returns, no worker gives a server that is not enabled anything
  /// new.
  virtual bool set_admin_state(std::uint32_t upstream, std::uint32_t server, balance::AdminState state) = 0;
  /// `weight`: 1 to balance::max_weight. True if the weight was another.
  virtual bool set_weight(std::uint32_t upstream, std::uint32_t server, std::uint32_t weight) = 0;
  /// Reads the configuration anew and goes by it from then on; with anything wrong about it, nothing changes.
  /// Serving goes on meanwhile. The outcome is logged, and told to `observer` (which may be null) from the
  /// loop, later.
  virtual void reload(ReloadObserver observer) = 0;
  /// Starts the executable anew and, once that is ready, lets it take this process's place, which drains. If
  /// it does not become ready, all goes on as it was. The outcome is logged and told as a reload's.
  virtual void upgrade(UpgradeObserver observer) = 0;
  /// `server`: as config::load_servers gives it, with an address that is no name. Workers know it
  /// a moment after this has returned, or when the reload that is under way ends; the AdminSources at hand
  /// are of before, and not to be used any more. False: it is there already. The error says with what it is
  /// at odds.
  virtual base::Result<bool> add_server(std::uint32_t upstream, const config::Server& server) = 0;
  /// The server leaves: when this has returned, it gets nothing new; what runs goes on. AdminSources: as
  /// above.
  virtual base::Result<void> remove_server(std::uint32_t upstream, std::uint32_t server) = 0;

 protected:
  ~Control() = default;
};

}  // namespace azulb::admin
