#include "azulb/balance/alias_table.hpp"

#include <numeric>

namespace azulb::balance {

AliasTable::AliasTable(std::size_t most_members) {
  columns_.reserve(most_members);
  small_.reserve(most_members);
  large_.reserve(most_members);
}

void AliasTable::build(std::span<const std::uint32_t> members, std::span<const std::uint32_t> weights) {
  columns_.clear();
  small_.clear();
  large_.clear();
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::uint32_t column = 0; column < members.size(); ++column) {
    const std::uint32_t member = members[column];
    // 1 is the mean: what a column holds. `keep` is the member's whole weight until it is shared out below.
    const double weight = weights[column] * static_cast<double>(members.size()) / sum;
    columns_.push_back(Column{weight, member, member});
    (weight < 1.0 ? small_ : large_).push_back(column);
  }
  while (!small_.empty() && !large_.empty()) {
    Column& small = columns_[small_.back()];
    Column& large = columns_[large_.back()];
    small_.pop_back();
    small.alias = large.own;
    large.keep -= 1.0 - small.keep;
    if (large.keep < 1.0) {
      small_.push_back(large_.back());
      large_.pop_back();
    }
  }
  // What is left on either side is 1 but for rounding, and is its own alias.
}

std::uint32_t AliasTable::pick(base::Random& random) const {
  const Column& column = columns_[random.below(columns_.size())];
  return random.unit() < column.keep ? column.own : column.alias;
}

}  // namespace azulb::balance
