// What would become of a request, found out by the code that would handle it, without handling it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/proxy/router.hpp"
#include "azulb/proxy/snapshot.hpp"

namespace azulb::proxy {

struct AskedRequest {
  std::string method = "GET";
  std::string url{};  // "http://host:port/path?query"; the port and the scheme say which listener it meets
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string listener{};            // by name, whatever the URL says; empty: by the URL
  std::string client = "127.0.0.1";  // the address it comes from
};

struct ExplainedServer {
  std::uint32_t index = 0;
  bool eligible = false;
  std::string reason;  // "up, enabled", or why it cannot be chosen
};

struct Explanation {
  std::uint32_t listener = 0;
  std::string refusal;         // why it is answered before it is routed; empty: it is routed
  int status = 0;              // of azulb's own answer; 0: a server's
  std::string path;            // in the normal form, which is matched and forwarded
  Router::Explanation routes;  // of the route that it takes and those before; all, if it takes none
  std::string location;        // of a redirect
  std::optional<RouteSplit::Choice> split;  // of a route that is split; by chance: one that it might get
  std::optional<std::uint32_t> upstream;
  std::string hash_value;  // what the upstream's hash_key selects; for policy hash
  std::vector<ExplainedServer> servers;
  std::optional<std::uint32_t> chosen;  // the server it would get now
  bool by_chance = false;               // `chosen` is one of several that it might get
  std::string sent_head;                // as the chosen server would get it; its X-Request-ID is made up
};

/// Main thread (or before any thread runs); nothing is counted and no turn taken. The error says what is
/// wrong with what was asked.
base::Result<Explanation> explain(const Snapshot& snapshot, const AskedRequest& asked);

}  // namespace azulb::proxy
