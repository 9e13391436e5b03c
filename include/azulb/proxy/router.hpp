// Which route a request takes: the first in the configuration's order whose listener, host, path and method
// all match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "azulb/config/config.hpp"
#include "azulb/http/stored_request.hpp"

namespace azulb::proxy {

/// Why a route does not take a request; the first of these that holds.
enum class RouteMismatch : std::uint8_t { none, host, listener, path, method, header, query };

/// A configuration's routes, compiled. Immutable: one router serves all workers. A lookup costs hash lookups
/// by host (one, and one for each label if there are wildcards) and, where a host has many routes, by path
/// (one or two for each segment), and a walk over the routes that are found so and those that ask for
/// neither: however many routes there are for other hosts and paths. It allocates nothing once its thread is
/// warm.
///
/// Hosts compare without case, port and final dot; percent-encoded letters and the spellings of an IPv6
/// address are equal. "*.example.com" stands for one or more labels. A request without Host takes only routes
/// without host.
///
/// Paths: the path that is matched is the path that is forwarded, in its normal form (http/normal_path.hpp),
/// in which the routes' paths are, too. What stays open even then is how a server reads "%2F", "%5C" and "\":
/// such a path is looked up a second time with slashes in their place, and if that leads to another route the
/// request has none. `path_prefix` takes whole segments: "/a" matches "/a" and "/a/b"; "/a/" only what begins
/// with it; "/" matches everything, also "*".
///
/// A regular expression is found anywhere in the path, unless it says "^" or "$". Methods compare as they are
/// written: a route for GET does not take HEAD. Of headers one field of the name must have exactly the value,
/// of a query one pair, decoded.
class Router {
 public:
  explicit Router(const config::Config& config);
  ~Router();
  Router(Router&&) noexcept;

  /// The index into config.routes, or nothing. `request` has been judged, and its path is in the normal form.
  /// Any thread.
  std::optional<std::uint32_t> match(std::uint32_t listener_index, const http::Request& request) const;

  struct Explanation {
    std::vector<RouteMismatch> routes;   // of every route, the path read in its normal form
    std::optional<std::uint32_t> match;  // as match() says
    bool two_readings = false;  // nothing matches because the path's readings lead to different routes
    std::size_t looked_at = 0;  // routes that match() has to judge
  };
  /// How match() comes to its answer. Linear in the routes; allocates.
  Explanation explain(std::uint32_t listener_index, const http::Request& request) const;

 private:
  struct Tables;
  std::unique_ptr<const Tables> tables_;
};

/// Expands a redirect's target into `out` and returns its size; when that is over `capacity`, nothing in
/// `out` is of use and the caller tries again with as much room. 0: the target names ${host} and the request
/// has none (answer 400).
///
///   ${scheme}  `scheme`             ${path}   the path in its normal form; "/" for "*"
///   ${host}    without its port     ${query}  without "?"
///   ${target}  path and query
///
/// The request has been judged, so no value holds a space or control byte: none can end the field. A target
/// that begins with a path keeps only one leading slash, so that "//other.example" leads to no other host.
std::size_t write_redirect_location(const config::Redirect& redirect, const http::Request& request,
                                    std::string_view scheme, char* out, std::size_t capacity);

}  // namespace azulb::proxy
