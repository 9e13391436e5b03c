// `azulb demo`: replicas to balance over, in this process, and the configuration that fronts them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/result.hpp"
#include "azulb/config/load.hpp"

namespace azulb::daemon {

/// Small applications on ports of 127.0.0.1 that the kernel chooses, all on one thread of their own:
///
///   /              which replica this is, and the request as it sees it
///   /health        200, or 503 after POST /health/down, until POST /health/up
///   /slow?ms=N     answers after N milliseconds (at most 60,000; 1,000 if not given)
///   /status/NNN    answers with that status, 200 to 599
///   /events        server-sent events, one a second
///   /ws            WebSocket echo (RFC 6455): messages up to 1 MiB
///
/// start, stop and the destructor belong to one thread (main); requests may come from anywhere.
class DemoReplicas {
 public:
  DemoReplicas();
  DemoReplicas(const DemoReplicas&) = delete;
  DemoReplicas& operator=(const DemoReplicas&) = delete;
  /// Stops them.
  ~DemoReplicas();

  /// Binds and serves; once. Errors name the address and the remedy.
  base::Result<void> start(std::size_t count);
  /// Breaks off what runs and joins the thread; harmless when they do not run.
  void stop();

  /// Of the running replicas: "replica-1" first.
  const std::vector<base::SocketAddress>& addresses() const { return addresses_; }

 private:
  struct Running;
  std::unique_ptr<Running> running_;
  std::vector<base::SocketAddress> addresses_;
};

/// azulb in front of the replicas: round robin, quick health checks, an access log for people. `listen` and
/// `admin` are addresses as in a configuration, from the command line; what is wrong with them comes back as
/// diagnostics.
config::LoadResult demo_config(const std::string& listen, const std::string& admin,
                               const std::vector<base::SocketAddress>& replicas);

/// What to try, for the terminal. `listen` and `admin`: where azulb listens, as "host:port".
std::string demo_text(const std::string& listen, const std::string& admin,
                      const std::vector<base::SocketAddress>& replicas);

}  // namespace azulb::daemon
