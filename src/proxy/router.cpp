#include "azulb/proxy/router.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "azulb/http/normal_path.hpp"
#include "route_host.hpp"
#include "route_index.hpp"
#include "route_match.hpp"

namespace azulb::proxy {
namespace {

constexpr std::uint32_t no_route = std::numeric_limits<std::uint32_t>::max();

using HostTable = ByText<RouteIndex>;

void add_candidate(ByText<Candidates>& table, std::string_view host, std::uint32_t index) {
  HostBuffer buffer;
  Candidates& candidates = table[std::string(normal_host(host, buffer))];
  if (candidates.empty() || candidates.back() != index) candidates.push_back(index);
}

HostTable indexed(ByText<Candidates>& candidates, const std::vector<RouteMatch>& routes) {
  HostTable table;
  for (auto& [host, of_host] : candidates)
    table.emplace(host, RouteIndex(std::move(of_host), routes));
  return table;
}

}  // namespace

struct Router::Tables {
  std::vector<RouteMatch> routes;
  HostTable exact;
  HostTable wildcard;  // "example.com" for "*.example.com"
  RouteIndex any_host;
  bool by_path = false;  // some route asks for one

  bool by_host() const { return !exact.empty() || !wildcard.empty(); }

  /// `visit(index)` for each list of routes that the host leads to.
  template <typename Visit>
  void for_host(std::string_view host, Visit visit) const {
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

  /// The first route that takes it; `look(index)` is told of each that is looked at.
  template <typename Look>
  std::uint32_t find(const Asked& asked, Look look) const {
    std::uint32_t best = no_route;
    for_host(asked.host, [&](const RouteIndex& of_host) {
      of_host.for_path(asked.path, [&](const Candidates& candidates) {
        for (const std::uint32_t index : candidates) {
          if (index >= best) break;
          look(index);
          if (routes[index].judge(asked) == RouteMismatch::none) best = index;
        }
      });
    });
    return best;
  }

  /// In both readings of the path, which must lead to the same route; else there is none.
  template <typename Look>
  std::uint32_t find_in_all_readings(Asked& asked, Look look) const {
    const std::uint32_t found = find(asked, look);
    if (!by_path || !http::hides_separators(asked.path)) return found;
    thread_local std::string separated;
    separated.resize(asked.path.size());
    separated.resize(http::write_separators_decoded(asked.path, separated.data()));
    asked.path = separated;
    asked.reading = PathReading::separated;
    return find(asked, look) == found ? found : no_route;
  }

  /// `use(asked)` with what the request asks for.
  template <typename Use>
  auto with_asked(std::uint32_t listener, const http::Request& request, Use use) const {
    HostBuffer buffer;
    Asked asked{.listener = listener, .request = request, .host = {}, .path = request.info.target.path};
    if (by_host()) asked.host = normal_host(request.info.authority.host, buffer);
    return use(asked);
  }
};

Router::Router(const config::Config& config) {
  auto tables = std::make_unique<Tables>();
  ByText<Candidates> exact;
  ByText<Candidates> wildcard;
  Candidates any_host;
  tables->routes.reserve(config.routes.size());
  for (const config::Route& route : config.routes) {
    const auto index = static_cast<std::uint32_t>(tables->routes.size());
    tables->by_path |= tables->routes.emplace_back(route, config.listeners).depends_on_path();
    if (route.host.empty()) any_host.push_back(index);
    for (const std::string& host : route.host) {
      if (host.starts_with("*.")) {
        add_candidate(wildcard, std::string_view(host).substr(2), index);
      } else {
        add_candidate(exact, host, index);
      }
    }
  }
  tables->exact = indexed(exact, tables->routes);
  tables->wildcard = indexed(wildcard, tables->routes);
  tables->any_host = RouteIndex(std::move(any_host), tables->routes);
  tables_ = std::move(tables);
}

Router::~Router() = default;
Router::Router(Router&&) noexcept = default;

std::optional<std::uint32_t> Router::match(std::uint32_t listener_index, const http::Request& request) const {
  return tables_->with_asked(listener_index, request, [this](Asked& asked) -> std::optional<std::uint32_t> {
    const std::uint32_t found = tables_->find_in_all_readings(asked, [](std::uint32_t) {});
    if (found == no_route) return std::nullopt;
    return found;
  });
}

Router::Explanation Router::explain(std::uint32_t listener_index, const http::Request& request) const {
  Explanation explanation;
  explanation.routes.assign(tables_->routes.size(), RouteMismatch::host);
  tables_->with_asked(listener_index, request, [&](Asked& asked) {
    tables_->for_host(asked.host, [&](const RouteIndex& of_host) {
      for (const std::uint32_t index : of_host.all())
        explanation.routes[index] = tables_->routes[index].judge(asked);
    });
    const std::uint32_t found =
        tables_->find_in_all_readings(asked, [&](std::uint32_t) { ++explanation.looked_at; });
    if (found != no_route) explanation.match = found;
  });
  const bool some_fit = std::find(explanation.routes.begin(), explanation.routes.end(),
                                  RouteMismatch::none) != explanation.routes.end();
  explanation.two_readings = some_fit && !explanation.match;
  return explanation;
}

}  // namespace azulb::proxy
