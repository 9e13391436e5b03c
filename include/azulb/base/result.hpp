// The one error type. What the network, peers and the operating system do wrong comes back as a value, never
// as an exception.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace azulb::base {

/// What went wrong, in words for the log. `system_error` is an errno value, or 0 where no system call failed.
struct Error {
  std::string message;
  int system_error = 0;
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> failure(std::string message, int system_error = 0) {
  return tl::unexpected<Error>(Error{std::move(message), system_error});
}

/// "<what>: <strerror(system_error)>" as an error value.
tl::unexpected<Error> system_failure(std::string what, int system_error);

}  // namespace azulb::base
