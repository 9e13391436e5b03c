// "did you mean": the known word nearest to one that is not known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace azulb::config {

/// Insertions, deletions, replacements and swaps of neighbours that make `left` into `right`.
std::size_t edit_distance(std::string_view left, std::string_view right);

/// The candidate nearest to `word` (upper and lower case count as equal), the first of several equally near;
/// empty where none is near enough to be worth a guess.
std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace azulb::config
