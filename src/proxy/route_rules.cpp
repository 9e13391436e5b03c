#include "azulb/proxy/route_rules.hpp"

#include "azulb/http/normal_path.hpp"

namespace azulb::proxy {
namespace {

/// "/" is no prefix: every path has it.
std::string normal_prefix(std::string_view prefix) {
  std::string normal(prefix.size(), '\0');
  if (!prefix.empty()) normal.resize(http::write_normal_path(prefix, normal.data()));
  if (normal.ends_with('/')) normal.pop_back();
  return normal;
}

Destination destination_of(const config::Route& route, const config::Upstream& upstream,
                           std::uint32_t index) {
  static_assert(static_cast<unsigned>(balance::retry_non_idempotent) == config::retry_non_idempotent &&
                static_cast<unsigned>(balance::retry_error) == config::retry_error);
  return {.upstream = index,
          .retry = {.on = route.retry.on.value_or(upstream.retry.on),
                    .attempts = route.retry.attempts.value_or(upstream.retry.attempts),
                    .timeout = route.retry.timeout.value_or(upstream.retry.timeout),
                    .backoff = route.retry.backoff.value_or(upstream.retry.backoff),
                    .budget = upstream.retry.budget},
          .replay_bytes = route.retry.buffer.value_or(upstream.retry.buffer)};
}

}  // namespace

PathRewrite::PathRewrite(std::string_view strip_prefix, std::string_view add_prefix)
    : strip_(normal_prefix(strip_prefix)), add_(normal_prefix(add_prefix)) {}

void PathRewrite::rewrite(std::string_view path, http::RequestHeadOut& out) const {
  if (!path.starts_with('/')) return;
  if (!strip_.empty() && path.starts_with(strip_)) {
    const std::string_view rest = path.substr(strip_.size());
    if (rest.empty() || rest.front() == '/') out.path = rest.empty() ? std::string_view("/") : rest;
  }
  out.path_prefix = add_;
}

RouteRules::RouteRules(const config::Route& route, const config::Config& whole, std::uint32_t first_series,
                       const FindUpstream& find_upstream)
    : config(&route),
      series(first_series),
      path(route.strip_prefix, route.add_prefix),
      request_headers(route.request_headers),
      response_headers(route.response_headers) {
  const auto lead_to = [&](const std::string& name) {
    const std::uint32_t index = find_upstream(name);
    destinations.push_back(destination_of(route, whole.upstreams[index], index));
    destinations.back().series = series + static_cast<std::uint32_t>(destinations.size() - 1);
  };
  if (!route.upstream.empty()) lead_to(route.upstream);
  for (const config::SplitTarget& target : route.split)
    lead_to(target.upstream);
  if (!route.split.empty()) split.emplace(route);
}

}  // namespace azulb::proxy
