// The routes of one host, to be found by path without looking at all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "route_match.hpp"

namespace azulb::proxy {

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

template <typename Value>
using ByText = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

/// Route indices in rising order.
using Candidates = std::vector<std::uint32_t>;

class RouteIndex {
 public:
  RouteIndex() = default;
  /// `routes` are all there are, which `candidates` count in.
  RouteIndex(Candidates candidates, const std::vector<RouteMatch>& routes);

  const Candidates& all() const { return all_; }

  /// `visit(candidates)` for each list that holds routes with such a path; between them they hold every route
  /// that may match. A hash lookup for each segment of the path, up to the longest prefix.
  template <typename Visit>
  void for_path(std::string_view path, Visit visit) const {
    visit(unindexed_);
    if (!exact_.empty()) look_up(exact_, path, visit);
    if (prefixes_.empty()) return;
    for (std::size_t slash = path.find('/', 1); slash <= longest_prefix_bytes_;
         slash = path.find('/', slash + 1)) {
      look_up(prefixes_, path.substr(0, slash), visit);
      look_up(prefixes_, path.substr(0, slash + 1), visit);  // "/a/" takes only what begins with it
    }
    if (path.size() <= longest_prefix_bytes_ && !path.ends_with('/')) look_up(prefixes_, path, visit);
  }

 private:
  // Fewer are compared faster than hashed.
  static constexpr std::size_t fewest_indexed = 9;

  template <typename Visit>
  static void look_up(const ByText<Candidates>& table, std::string_view path, Visit visit) {
    const auto entry = table.find(path);
    if (entry != table.end()) visit(entry->second);
  }
  void add(std::uint32_t index, const RouteMatch& route);

  Candidates all_;
  Candidates unindexed_;  // with any path, or one that is read in two ways
  ByText<Candidates> exact_;
  ByText<Candidates> prefixes_;
  std::size_t longest_prefix_bytes_ = 0;
};

}  // namespace azulb::proxy
