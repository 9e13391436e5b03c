// Where the servers of one upstream come from, and the list that they make together.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/config/config.hpp"
#include "azulb/discovery/amendments.hpp"
#include "azulb/discovery/dns_watch.hpp"
#include "azulb/discovery/server_file.hpp"
#include "azulb/discovery/server_list.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::discovery {

/// One source, for metrics.
struct SourceStatus {
  std::string source;  // as FoundServer::source; "host app1" for a name that stands among servers
  SourceHealth health;
  std::size_t servers = 0;  // addresses or list entries it last gave
};

/// The loop's thread only.
class UpstreamServers final : private net::Deferred {
 public:
  /// The list has changed (or is there for the first time). Called from the loop, not from within.
  using Observer = std::function<void(const UpstreamServers&)>;

  /// `amendments` outlive this, and are changed by it only.
  UpstreamServers(net::Loop& loop, std::shared_ptr<DnsLookup::Home> home, const config::Upstream& upstream,
                  Amendments& amendments, Observer observer);

  const std::string& name() const { return upstream_.name; }
  /// Another configuration of the same upstream. What is known of names and files that stay is kept.
  void configure(const config::Upstream& upstream);
  /// Everything has been tried once: from here on the list is whole, but for what cannot be resolved.
  bool settled() const { return settled_; }
  /// Not to wait any longer for what has not been answered yet.
  void settle_now();
  const ServerList& list() const { return list_; }
  /// A server beside those of the sources: an address, no name. One of theirs that was removed is back
  /// instead. False: it is there already. The error says with what it is at odds. The list has it at once,
  /// and the observer is not told.
  base::Result<bool> add(const config::Server& server);
  /// By address; in the same way.
  void remove(const base::SocketAddress& address);
  /// Instead of what was added and removed before; in the same way.
  void set_amendments(Amendments amendments);
  /// The list has taken effect: removals of servers that no source lists any more are forgotten.
  void forget_old_removals();
  std::vector<SourceStatus> sources() const;

 private:
  struct Name {
    std::unique_ptr<DnsWatch> watch;
    bool failure_told = false;
  };

  void on_deferred() override { refresh(); }
  void refresh();
  void publish();
  std::set<std::string> wanted_hosts() const;
  void adopt_configuration();
  void watch(Name& name, const std::string& host, bool is_service);
  void tell_failures(Name& name);
  bool all_tried() const;
  void amended();
  const std::vector<base::IpAddress>& addresses_of(const std::string& host) const;
  ServerList whole_list() const;
  ServerList sources_list() const;
  void add_servers(ServerList& list, const std::vector<config::Server>& servers,
                   const std::string& source) const;
  std::string name_of(const std::string& written, const base::SocketAddress& address,
                      bool is_one_of_several) const;
  void add_discovered(ServerList& list) const;
  void add_services(ServerList& list, const std::string& source) const;
  void log_changes(const ServerList& before) const;
  base::Milliseconds min_ttl() const;
  std::string resolver() const;
  std::string dns_host() const;
  bool has_service() const;

  net::Loop& loop_;
  const std::shared_ptr<DnsLookup::Home> home_;
  config::Upstream upstream_;
  Amendments& amendments_;
  const Observer observer_;
  std::map<std::string, Name> hosts_;
  Name service_;  // SRV; without a watch: not used
  std::unique_ptr<ServerFile> file_;
  ServerList list_;
  bool configured_ = true;  // anew, and not yet in effect
  bool settled_ = false;
};

}  // namespace azulb::discovery
