#include "route_index.hpp"

#include <algorithm>
#include <utility>

namespace azulb::proxy {

RouteIndex::RouteIndex(Candidates candidates, const std::vector<RouteMatch>& routes)
    : all_(std::move(candidates)) {
  if (all_.size() < fewest_indexed) {
    unindexed_ = all_;
    return;
  }
  for (const std::uint32_t index : all_)
    add(index, routes[index]);
}

void RouteIndex::add(std::uint32_t index, const RouteMatch& route) {
  const std::string path(route.path(PathReading::normal));
  const bool one_reading = path == route.path(PathReading::separated);
  if (route.path_kind() == PathKind::exact && one_reading) {
    exact_[path].push_back(index);
  } else if (route.path_kind() == PathKind::prefix && one_reading && path != "/") {
    prefixes_[path].push_back(index);
    longest_prefix_bytes_ = std::max(longest_prefix_bytes_, path.size());
  } else {
    unindexed_.push_back(index);
  }
}

}  // namespace azulb::proxy
