// The file that upstream.discover.file names.
#pragma once

#include <string>
#include <vector>

#include "azulb/config/config.hpp"
#include "azulb/discovery/dns_watch.hpp"
#include "azulb/discovery/file_watch.hpp"

namespace azulb::discovery {

/// Keeps the last good list while the file is missing or broken, and logs that once for each state of the
/// file. The loop's thread only.
class ServerFile {
 public:
  /// Called when the file was read anew, never from within.
  using Observer = std::function<void()>;

  /// Reads the file at once. `upstream`: what the servers are for.
  ServerFile(net::Loop& loop, const config::Upstream& upstream, Observer observer);

  /// Judges the file by another configuration of the upstream, which names the same file.
  void configure(const config::Upstream& upstream);
  const std::string& path() const { return watch_.path(); }
  const std::vector<config::Server>& servers() const { return servers_; }
  const SourceHealth& health() const { return health_; }

 private:
  void read();
  void failed(const std::string& reason);

  net::Loop& loop_;
  config::Upstream upstream_;
  const Observer observer_;
  std::vector<config::Server> servers_;
  SourceHealth health_;
  FileWatch watch_;
};

}  // namespace azulb::discovery
