#include "server_names.hpp"

#include <algorithm>
#include <array>

namespace azulb::tls {

SSL_CTX* ServerNames::find(std::string_view name) const {
  std::array<char, 256> lower;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() >= lower.size()) return nullptr;
  std::transform(name.begin(), name.end(), lower.begin() + 1,
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::string_view exact(lower.data() + 1, name.size());
  if (const auto found = contexts_.find(exact); found != contexts_.end()) return found->second;
  const std::size_t dot = exact.find('.');
  if (dot == std::string_view::npos || dot == 0) return nullptr;
  lower[dot] = '*';  // over the last byte of the first label
  const auto found = contexts_.find(std::string_view(lower.data() + dot, name.size() - dot + 1));
  return found != contexts_.end() ? found->second : nullptr;
}

std::map<std::string, std::vector<std::size_t>> group_by_name(
    const std::vector<std::vector<std::string>>& names, const std::vector<int>& kinds) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t index = 0; index < names.size(); ++index) {
    for (const std::string& name : names[index]) {
      std::vector<std::size_t>& group = groups[name];
      const bool has_kind = std::any_of(group.begin(), group.end(),
                                        [&](std::size_t other) { return kinds[other] == kinds[index]; });
      if (!has_kind) group.push_back(index);
    }
  }
  return groups;
}

}  // namespace azulb::tls
