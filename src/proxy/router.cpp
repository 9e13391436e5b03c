#include "azulb/proxy/router.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

#include "azulb/base/address.hpp"
#include "azulb/http/bytes.hpp"
#include "route_path.hpp"

namespace azulb::proxy {
namespace {

constexpr std::uint32_t no_route = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t longest_host_bytes = 253;  // RFC 1035 section 2.3.4

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// Route indices in rising order.
using Candidates = std::vector<std::uint32_t>;
using HostTable = std::unordered_map<std::string, Candidates, StringHash, std::equal_to<>>;

enum class PathKind : std::uint8_t { any, exact, prefix };

struct CompiledRoute {
  std::vector<bool> listeners;  // by index; empty = all
  std::uint32_t methods = 0;    // bits of http::Method but `other`
  std::vector<std::string> other_methods;
  bool any_method = true;
  PathKind path_kind = PathKind::any;
  std::string spelled;  // the route's path in both readings
  std::string resolved;
};

constexpr std::uint32_t method_bit(http::Method method) {
  return std::uint32_t{1} << static_cast<unsigned>(method);
}

using HostBuffer = std::array<char, longest_host_bytes + 1>;

/// "[::1]" in its one standard spelling; empty if it is none.
std::string_view normal_ipv6(std::string_view host, HostBuffer& out) {
  if (host.size() < 2 || !host.ends_with(']')) return {};
  const auto address = base::IpAddress::parse(host.substr(1, host.size() - 2));
  if (!address) return {};
  out[0] = '[';
  const std::size_t length = address->format(out.data() + 1);
  out[length + 1] = ']';
  return {out.data(), length + 2};
}

/// Lower case, percent-encodings decoded, without a final dot. Empty for what can be no configured host.
std::string_view normal_host(std::string_view host, HostBuffer& out) {
  if (host.starts_with('[')) return normal_ipv6(host, out);
  std::size_t size = 0;
  for (std::size_t at = 0; at < host.size(); ++at) {
    char byte = host[at];
    if (byte == '%' && at + 2 < host.size() && http::hex_value(host[at + 1]) >= 0 &&
        http::hex_value(host[at + 2]) >= 0) {
      byte = static_cast<char>(http::hex_value(host[at + 1]) * 16 + http::hex_value(host[at + 2]));
      at += 2;
    }
    if (size == out.size()) return {};
    out[size++] = http::to_lower(byte);
  }
  if (size > 0 && out[size - 1] == '.') --size;
  return {out.data(), size};
}

bool path_matches(PathKind kind, std::string_view wanted, std::string_view path) {
  switch (kind) {
    case PathKind::any:
      return true;
    case PathKind::exact:
      return path == wanted;
    case PathKind::prefix:
      if (wanted == "/") return true;
      if (!path.starts_with(wanted)) return false;
      return path.size() == wanted.size() || wanted.back() == '/' || path[wanted.size()] == '/';
  }
  return false;
}

CompiledRoute compile(const config::Route& route, const std::vector<config::Listener>& listeners) {
  CompiledRoute compiled;
  if (!route.listener.empty()) {
    for (const config::Listener& listener : listeners) {
      compiled.listeners.push_back(std::find(route.listener.begin(), route.listener.end(), listener.name) !=
                                   route.listener.end());
    }
  }
  compiled.any_method = route.methods.empty();
  for (const std::string& name : route.methods) {
    const http::Method method = http::method_of(name);
    if (method == http::Method::other) {
      compiled.other_methods.push_back(name);
    } else {
      compiled.methods |= method_bit(method);
    }
  }
  const std::string& path = route.path.empty() ? route.path_prefix : route.path;
  if (!path.empty()) {
    compiled.path_kind = route.path.empty() ? PathKind::prefix : PathKind::exact;
    PathScratch scratch;
    const PathReadings readings = read_path(path, scratch);
    compiled.spelled = readings.spelled;
    compiled.resolved = readings.resolved;
  }
  return compiled;
}

void add_candidate(HostTable& table, std::string_view host, std::uint32_t index) {
  HostBuffer buffer;
  Candidates& candidates = table[std::string(normal_host(host, buffer))];
  if (candidates.empty() || candidates.back() != index) candidates.push_back(index);
}

/// What of a request the routes are matched against, in one reading of its path.
struct Asked {
  std::uint32_t listener = 0;
  http::Method method = http::Method::other;
  std::string_view method_name;
  std::string_view host;  // normal
  std::string_view path;
  std::string CompiledRoute::*reading = nullptr;
};

bool method_matches(const CompiledRoute& route, const Asked& asked) {
  if (asked.method != http::Method::other) return (route.methods & method_bit(asked.method)) != 0;
  return std::find(route.other_methods.begin(), route.other_methods.end(), asked.method_name) !=
         route.other_methods.end();
}

/// Of a route whose host fits.
RouteMismatch mismatch_of(const CompiledRoute& route, const Asked& asked) {
  if (!route.listeners.empty() &&
      (asked.listener >= route.listeners.size() || !route.listeners[asked.listener])) {
    return RouteMismatch::listener;
  }
  const bool path_fits =
      route.path_kind == PathKind::any || path_matches(route.path_kind, route.*asked.reading, asked.path);
  if (!path_fits) return RouteMismatch::path;
  return route.any_method || method_matches(route, asked) ? RouteMismatch::none : RouteMismatch::method;
}

}  // namespace

struct Router::Tables {
  std::vector<CompiledRoute> routes;
  HostTable exact;
  HostTable wildcard;  // "example.com" for "*.example.com"
  Candidates any_host;
  bool by_path = false;  // some route asks for one

  /// The first of `candidates` that is before `best` and matches, else `best`.
  std::uint32_t first_match(const Candidates& candidates, const Asked& asked, std::uint32_t best) const {
    for (const std::uint32_t index : candidates) {
      if (index >= best) break;
      if (mismatch_of(routes[index], asked) == RouteMismatch::none) return index;
    }
    return best;
  }

  bool by_host() const { return !exact.empty() || !wildcard.empty(); }

  /// `visit(candidates)` for each list of routes that the host leads to.
  template <typename Visit>
  void for_each_candidates(std::string_view host, Visit visit) const {
    const auto look_up = [&visit](const HostTable& table, std::string_view name) {
      const auto entry = table.find(name);
      if (entry != table.end()) visit(entry->second);
    };
    visit(any_host);
    if (host.empty()) return;
    if (!exact.empty()) look_up(exact, host);
    if (wildcard.empty() || host.front() == '.') return;
    for (std::size_t dot = host.find('.'); dot != std::string_view::npos; dot = host.find('.', dot + 1))
      look_up(wildcard, host.substr(dot + 1));
  }

  std::uint32_t find(const Asked& asked) const {
    std::uint32_t best = no_route;
    for_each_candidates(asked.host,
                        [&](const Candidates& candidates) { best = first_match(candidates, asked, best); });
    return best;
  }

  std::vector<RouteMismatch> explain(const Asked& asked) const {
    std::vector<RouteMismatch> mismatches(routes.size(), RouteMismatch::host);
    for_each_candidates(asked.host, [&](const Candidates& candidates) {
      for (const std::uint32_t index : candidates)
        mismatches[index] = mismatch_of(routes[index], asked);
    });
    return mismatches;
  }

  /// `use(asked, readings)` with what the request asks for, the path in its first reading.
  template <typename Use>
  auto with_asked(std::uint32_t listener, const http::Request& request, Use use) const {
    thread_local PathScratch scratch;
    HostBuffer buffer;
    const std::string_view path = request.info.target.path;
    const PathReadings readings = by_path ? read_path(path, scratch) : PathReadings{path, path};
    Asked asked{listener, request.head.method, request.head.method_name,
                {},       readings.spelled,    &CompiledRoute::spelled};
    if (by_host()) asked.host = normal_host(request.info.authority.host, buffer);
    return use(asked, readings);
  }
};

Router::Router(const config::Config& config) {
  auto tables = std::make_unique<Tables>();
  tables->routes.reserve(config.routes.size());
  for (const config::Route& route : config.routes) {
    const auto index = static_cast<std::uint32_t>(tables->routes.size());
    tables->routes.push_back(compile(route, config.listeners));
    tables->by_path |= tables->routes.back().path_kind != PathKind::any;
    if (route.host.empty()) tables->any_host.push_back(index);
    for (const std::string& host : route.host) {
      if (host.starts_with("*.")) {
        add_candidate(tables->wildcard, std::string_view(host).substr(2), index);
      } else {
        add_candidate(tables->exact, host, index);
      }
    }
  }
  tables_ = std::move(tables);
}

Router::~Router() = default;
Router::Router(Router&&) noexcept = default;

std::optional<std::uint32_t> Router::match(std::uint32_t listener_index, const http::Request& request) const {
  return tables_->with_asked(
      listener_index, request,
      [this](Asked& asked, const PathReadings& readings) -> std::optional<std::uint32_t> {
        const std::uint32_t found = tables_->find(asked);
        if (!readings.agree()) {
          asked.path = readings.resolved;
          asked.reading = &CompiledRoute::resolved;
          if (tables_->find(asked) != found) return std::nullopt;
        }
        if (found == no_route) return std::nullopt;
        return found;
      });
}

Router::Explanation Router::explain(std::uint32_t listener_index, const http::Request& request) const {
  Explanation explanation;
  explanation.match = match(listener_index, request);
  tables_->with_asked(listener_index, request, [&](const Asked& asked, const PathReadings&) {
    explanation.routes = tables_->explain(asked);
  });
  const bool some_fit = std::find(explanation.routes.begin(), explanation.routes.end(),
                                  RouteMismatch::none) != explanation.routes.end();
  explanation.two_readings = some_fit && !explanation.match;
  return explanation;
}

}  // namespace azulb::proxy
