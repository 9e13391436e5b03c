#include "api.hpp"

#include <algorithm>

#include "azulb/config/nearest.hpp"

namespace azulb::admin {

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string nearest = config::nearest(word, known);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

std::optional<AdminReply> unknown_key(const Call& call, const std::vector<std::string_view>& known) {
  for (const auto& [key, value] : call.body.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return error_reply(400, "unknown key \"" + key + "\"" + did_you_mean(key, known));
  }
  return std::nullopt;
}

}  // namespace azulb::admin
