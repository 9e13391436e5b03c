// All upstreams' servers, kept true while azulb runs: names are resolved anew when their time is over, files
// are watched. The upstreams' last lists stay whatever becomes of resolvers and files.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/discovery/amendments.hpp"
#include "azulb/discovery/server_list.hpp"
#include "azulb/discovery/upstream_servers.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::discovery {

/// The loop's thread only; the loop outlives it.
class Discovery {
 public:
  /// Every upstream has settled, and what is found is other than when this was last called. Called from the
  /// loop, not from within; once for all that changes in a turn.
  using Observer = std::function<void()>;

  Discovery(net::Loop& loop, Observer observer);
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  /// What to look for from now on. What is known of upstreams and names that stay is kept, and those that
  /// have not changed are not asked for again. `settled` is false until all has been tried once.
  void configure(const std::vector<config::Upstream>& upstreams);
  bool settled() const;
  /// Goes on with what has been found so far. For when nobody wants to wait any longer.
  void settle_now();

  /// Of every upstream that has any. They stay whatever becomes of its sources.
  const AmendmentsByUpstream& amendments() const { return amendments_; }
  /// Instead of those there are. Lists have them at once, and the observer is not told.
  void set_amendments(AmendmentsByUpstream amendments);
  /// See UpstreamServers. The error is for people to read.
  base::Result<bool> add_server(const std::string& upstream, const config::Server& server);
  base::Result<void> remove_server(const std::string& upstream, const base::SocketAddress& address);
  /// What was configured and found has taken effect: what was changed of things that are gone is forgotten.
  void forget_old_amendments();

  /// As of now; empty for an upstream of which nothing was found.
  ServerLists lists() const;
  /// Empty for an unknown upstream.
  std::vector<SourceStatus> sources(const std::string& upstream) const;

 private:
  class Notice final : public net::Deferred {
   public:
    explicit Notice(Discovery& owner) : owner_(owner) {}

   private:
    void on_deferred() override;
    Discovery& owner_;
  };

  net::Loop& loop_;
  const Observer observer_;
  const std::shared_ptr<DnsLookup::Home> home_;  // shared with lookups that end with the loop's turn
  AmendmentsByUpstream amendments_;
  std::map<std::string, std::unique_ptr<UpstreamServers>> upstreams_;
  std::set<std::string> configured_;  // by name; upstreams that are not in it end with the loop's turn
  Notice notice_{*this};
};

}  // namespace azulb::discovery
