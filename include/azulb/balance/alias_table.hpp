// Weighted random picks in constant time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "azulb/base/random.hpp"

namespace azulb::balance {

/// Walker's alias method, built as Vose does. One thread at a time; build() allocates nothing.
class AliasTable {
 public:
  /// `weights`: of all members that will ever be built from, by index; each at least 1.
  explicit AliasTable(std::vector<std::uint32_t> weights);

  void build(std::span<const std::uint32_t> members);
  bool empty() const { return columns_.empty(); }
  /// A member, each as likely as its weight. The table must not be empty.
  std::uint32_t pick(base::Random& random) const;

 private:
  struct Column {
    double keep;  // probability of `own`
    std::uint32_t own;
    std::uint32_t alias;
  };

  const std::vector<std::uint32_t> weights_;
  std::vector<Column> columns_;
  std::vector<std::uint32_t> small_;  // scratch of build()
  std::vector<std::uint32_t> large_;
};

}  // namespace azulb::balance
