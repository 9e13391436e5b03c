#include "azulb/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace azulb::base {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "azulb: %s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace azulb::base
