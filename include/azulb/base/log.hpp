// The process log: what azulb itself has to say (starts, state changes, failures). Never called per request.
// All functions may be called from any thread. A line that the output does not take at once is dropped, so
// that a stuck terminal or pipe never blocks a worker.
#pragma once

#include <fmt/core.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "azulb/base/result.hpp"

namespace azulb::base {

enum class LogLevel { debug, info, warn, error };

struct LogSettings {
  LogLevel level = LogLevel::info;
  std::string output = "stderr";  // stderr | stdout | syslog | a path
  bool json = false;              // {"time":...,"level":...,"message":...}, one object a line; else text
};

/// Replaces the process log; until then it is text of level info on stderr. An output that cannot be opened
/// is an error that names it and the remedy; the log is then as it was.
Result<void> open_log(const LogSettings& settings);

/// Opens the log file anew, if the output is a file (after logrotate has moved it away). On an error the old
/// file stays.
Result<void> reopen_log();

bool log_enabled(LogLevel level);

/// From here on, lines of the calling thread are handed to `forward`, which has them written by another one.
/// For a thread that has no part in the process's files.
void forward_log_lines(std::function<void(LogLevel, std::string)> forward);

/// Writes one line. Control characters in `message` are written as \xXX, so that one call is always one line.
void write_log(LogLevel level, std::string_view message);

/// Writes each line of a text that has several.
void write_log_lines(LogLevel level, std::string_view text);

template <typename... Arguments>
void log_debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::debug)) {
    write_log(LogLevel::debug, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
}

template <typename... Arguments>
void log_info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::info)) {
    write_log(LogLevel::info, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
}

template <typename... Arguments>
void log_warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::warn)) {
    write_log(LogLevel::warn, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
}

template <typename... Arguments>
void log_error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::error)) {
    write_log(LogLevel::error, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
}

}  // namespace azulb::base
