// Weighted random picks in constant time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "azulb/base/random.hpp"

namespace azulb::balance {

/// Walker's alias method, built as Vose does. One thread at a time; build() allocates nothing.
class AliasTable {
 public:
  explicit AliasTable(std::size_t most_members);

  /// `weights`: of the members, in their order; each at least 1.
  void build(std::span<const std::uint32_t> members, std::span<const std::uint32_t> weights);
  bool empty() const { return columns_.empty(); }
  /// A member, each as likely as its weight. The table must not be empty.
  std::uint32_t pick(base::Random& random) const;

 private:
  struct Column {
    double keep;  // probability of `own`
    std::uint32_t own;
    std::uint32_t alias;
  };

  std::vector<Column> columns_;
  std::vector<std::uint32_t> small_;  // scratch of build()
  std::vector<std::uint32_t> large_;
};

}  // namespace azulb::balance
