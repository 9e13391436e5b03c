// [log] as the process log wants it.
#pragma once

#include "azulb/base/log.hpp"
#include "azulb/config/config.hpp"

namespace azulb::daemon {

inline base::LogSettings log_settings(const config::Log& log) {
  return {.level = static_cast<base::LogLevel>(log.level),
          .output = log.output,
          .json = log.format == config::LogFormat::json};
}

}  // namespace azulb::daemon
