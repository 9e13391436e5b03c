// Bytes that arrive in pieces, and the check that ends a fuzz target's run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace azulb::fuzz {

#define FUZZ_CHECK(condition)                                              \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

/// Says how many more bytes arrive next: 0 means all the rest.
class Splitter {
 public:
  explicit Splitter(std::uint64_t seed) : state_(seed) {}
  std::size_t next() {
    if (state_ <= 1) return state_;  // whole, byte by byte
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return 1 + static_cast<std::size_t>((state_ >> 33U) % 40);
  }

 private:
  std::uint64_t state_;
};

/// The bytes in a heap block of their very size, so that the sanitizer sees a read past them.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : block_(new char[bytes.size()]), size_(bytes.size()) {
    bytes.copy(block_.get(), size_);
  }
  std::string_view view() const { return {block_.get(), size_}; }

 private:
  std::unique_ptr<char[]> block_;
  std::size_t size_;
};

inline std::size_t grow(std::size_t have, std::size_t all, Splitter& splitter) {
  const std::size_t more = splitter.next();
  return more == 0 || more > all - have ? all : have + more;
}

}  // namespace azulb::fuzz
