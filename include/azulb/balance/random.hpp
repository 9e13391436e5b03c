// The seam for random numbers: a small seeded generator, one per thread that needs one.
#pragma once

#include <cstdint>

namespace azulb::balance {

/// SplitMix64: one addition and a mix per number, any seed is good. Not for secrets. One thread at a time.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31U);
  }

 private:
  std::uint64_t state_;
};

/// Maps 64 random bits onto 0 .. bound-1 without a division; 0 when `bound` is 0.
inline std::uint32_t scale_random(std::uint64_t random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(((random >> 32U) * bound) >> 32U);
}

}  // namespace azulb::balance
