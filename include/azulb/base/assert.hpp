// Assertions for a programmer's mistakes. They stay on in release builds: each one must cost a predictable
// branch at most.
#pragma once

namespace azulb::base {

/// Prints the failed expression with its place to stderr and aborts. Never returns. Safe on any thread.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace azulb::base

#define AZULB_ASSERT(expression)                              \
  (__builtin_expect(!!(expression), 1) ? static_cast<void>(0) \
                                       : ::azulb::base::assertion_failed(#expression, __FILE__, __LINE__))
