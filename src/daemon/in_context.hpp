// Errors that say what was being done.
#pragma once

#include <string>
#include <utility>

#include "azulb/base/result.hpp"

namespace azulb::daemon {

inline base::Error in_context(std::string context, const base::Error& error) {
  return {std::move(context) + ": " + error.message, error.system_error};
}

}  // namespace azulb::daemon
