// What a route makes of the requests that it takes, compiled from its keys.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/balance/retry.hpp"
#include "azulb/config/config.hpp"
#include "azulb/http/head_writer.hpp"
#include "azulb/proxy/header_rules.hpp"
#include "azulb/proxy/route_split.hpp"

namespace azulb::proxy {

/// An upstream that a route leads to, and how its requests are tried there.
struct Destination {
  std::uint32_t upstream = 0;
  balance::RetrySettings retry;    // the upstream's, but for what the route wants otherwise
  std::uint64_t replay_bytes = 0;  // of a request's body that are kept for another try
  std::uint32_t series = 0;        // of the metrics, see MetricLabels::routes
};

/// Strips and adds prefixes. Both are in the normal form of paths, without a slash at the end.
class PathRewrite {
 public:
  PathRewrite() = default;
  PathRewrite(std::string_view strip_prefix, std::string_view add_prefix);

  bool empty() const { return strip_.empty() && add_.empty(); }
  /// Sets the target of `out` from a path in its normal form, which stays in it: rewritten it is, too. "*" is
  /// no path.
  void apply(std::string_view path, http::RequestHeadOut& out) const {
    out.path = path;
    if (!empty()) rewrite(path, out);
  }

 private:
  void rewrite(std::string_view path, http::RequestHeadOut& out) const;

  std::string strip_;  // by whole segments; a path that does not begin with it stays
  std::string add_;
};

struct RouteRules {
  using FindUpstream = std::function<std::uint32_t(const std::string& name)>;
  /// `find_upstream` knows all that the configuration names. `series`: of its first destination.
  RouteRules(const config::Route& route, const config::Config& whole, std::uint32_t series,
             const FindUpstream& find_upstream);

  const config::Route* config;
  std::uint32_t series;
  std::vector<Destination> destinations;  // none: answered by azulb itself; several: split
  std::optional<RouteSplit> split;
  PathRewrite path;
  HeaderRules request_headers;
  HeaderRules response_headers;
};

}  // namespace azulb::proxy
