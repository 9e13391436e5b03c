#include "azulb/config/nearest.hpp"

#include <algorithm>

#include "rules.hpp"

namespace azulb::config {
namespace {

constexpr std::size_t kLongestWord = 64;  // bounds the work on hostile text

/// At least three characters of a longer word, as "max_conn" of "max_connections".
bool is_beginning(std::string_view word, std::string_view candidate) {
  return word.size() >= 3 && candidate.starts_with(word);
}

}  // namespace

std::size_t edit_distance(std::string_view left, std::string_view right) {
  const std::size_t width = right.size() + 1;
  std::vector<std::size_t> cells((left.size() + 1) * width);
  const auto at = [&](std::size_t row, std::size_t column) -> std::size_t& {
    return cells[row * width + column];
  };
  for (std::size_t row = 0; row <= left.size(); ++row)
    at(row, 0) = row;
  for (std::size_t column = 0; column <= right.size(); ++column)
    at(0, column) = column;
  for (std::size_t row = 1; row <= left.size(); ++row) {
    for (std::size_t column = 1; column <= right.size(); ++column) {
      const std::size_t replaced = at(row - 1, column - 1) + (left[row - 1] == right[column - 1] ? 0U : 1U);
      at(row, column) = std::min({at(row - 1, column) + 1, at(row, column - 1) + 1, replaced});
      if (row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1]) {
        at(row, column) = std::min(at(row, column), at(row - 2, column - 2) + 1);
      }
    }
  }
  return at(left.size(), right.size());
}

std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.empty() || word.size() > kLongestWord) return {};
  const std::string lower = to_lower(word);
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, (word.size() + 1) / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    const std::string lower_candidate = to_lower(candidate);
    std::size_t distance = edit_distance(lower, lower_candidate);
    if (distance >= std::max(word.size(), candidate.size())) continue;  // nothing in common
    if (is_beginning(lower, lower_candidate)) distance = std::min<std::size_t>(distance, 2);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return std::string(best);
}

}  // namespace azulb::config
