#include "azulb/base/log.hpp"

#include <spdlog/details/log_msg.h>
#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/syslog_sink.h>
#include <syslog.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "azulb/base/escape.hpp"
#include "azulb/base/output_file.hpp"

namespace azulb::base {
namespace {

constexpr std::size_t message_limit_bytes = std::size_t{8} * 1024;

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      break;
  }
  return spdlog::level::err;
}

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    default:
      return "error";
  }
}

void append(spdlog::memory_buf_t& line, std::string_view text) {
  line.append(text.data(), text.data() + text.size());
}

/// "2026-11-23T09:33:49.123Z"
void append_time(spdlog::memory_buf_t& line, spdlog::log_clock::time_point time) {
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto second = static_cast<time_t>(since_epoch / 1000);
  tm parts{};
  gmtime_r(&second, &parts);
  char text[32];
  line.append(text, text + strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
  append(line, fmt::format(".{:03}Z", since_epoch % 1000));
}

class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(bool json) : json_(json) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    if (!json_) {
      append_time(line, message.time);
      append(line, fmt::format(" {:<5} ", level_name(message.level)));
      append(line, text);
      append(line, "\n");
      return;
    }
    append(line, R"({"time":")");
    append_time(line, message.time);
    append(line, fmt::format(R"(","level":"{}","message":")", level_name(message.level)));
    char escaped[message_limit_bytes];
    const char* const end = escape_json(text, escaped, sizeof escaped);
    line.append(escaped, end);
    append(line, "\"}\n");
  }

  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<LineFormatter>(json_); }

 private:
  bool json_;
};

/// spdlog's own file sinks block when the reader of a pipe is stuck; this one drops instead. base_sink's
/// mutex serialises.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(OutputFile file) : file_(std::move(file)) {}

  void replace(OutputFile file) {
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
    in_mid_line_ = false;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    if (in_mid_line_) line.push_back('\n');
    formatter_->format(message, line);
    std::string_view rest(line.data(), line.size());
    while (!rest.empty()) {
      const auto written = file_.write_some(rest);
      if (!written) break;  // full, stuck or gone: there is nowhere left to say so
      in_mid_line_ = rest[*written - 1] != '\n';
      rest.remove_prefix(*written);
    }
  }
  void flush_() override {}

 private:
  OutputFile file_;
  bool in_mid_line_ = false;
};

struct Log {
  std::mutex mutex;  // guards what follows; a log line takes it only to copy the pointer
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<FileSink> file_sink;  // null for syslog
  std::string output;
  std::atomic<LogLevel> level{LogLevel::info};
};

Result<void> install(Log& log, const LogSettings& settings) {
  std::shared_ptr<FileSink> file_sink;
  spdlog::sink_ptr sink;
  if (settings.output == "syslog") {
    sink = std::make_shared<spdlog::sinks::syslog_sink_mt>("azulb", LOG_PID, LOG_DAEMON, false);
  } else {
    auto file = OutputFile::open(settings.output);
    if (!file) return tl::unexpected<Error>(file.error());
    file_sink = std::make_shared<FileSink>(std::move(*file));
    file_sink->set_formatter(std::make_unique<LineFormatter>(settings.json));
    sink = file_sink;
  }
  auto logger = std::make_shared<spdlog::logger>("azulb", std::move(sink));
  logger->set_level(to_spdlog(settings.level));
  const std::lock_guard lock(log.mutex);
  log.logger = std::move(logger);
  log.file_sink = std::move(file_sink);
  log.output = settings.output;
  log.level.store(settings.level, std::memory_order_relaxed);
  return {};
}

/// Never destroyed: destructors of other static objects may log.
Log& process_log() {
  static Log& log = []() -> Log& {
    auto* made = new Log;
    // With stderr closed there is no log until open_log(), and no logger.
    [[maybe_unused]] const auto ignored = install(*made, LogSettings{});
    return *made;
  }();
  return log;
}

/// Of this thread; see forward_log_lines.
thread_local std::function<void(LogLevel, std::string)> forward_line;

/// One call, one line: control characters (C0 and DEL) become \xXX. UTF-8 passes.
std::string without_control_characters(std::string_view message) {
  std::string line;
  line.reserve(message.size());
  for (const char character : message) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7F) {
      line += fmt::format("\\x{:02X}", byte);
    } else {
      line += character;
    }
  }
  return line;
}

}  // namespace

Result<void> open_log(const LogSettings& settings) {
  return install(process_log(), settings);
}

Result<void> reopen_log() {
  Log& log = process_log();
  const std::lock_guard lock(log.mutex);
  if (log.file_sink == nullptr || log.output == "stdout" || log.output == "stderr") return {};
  auto file = OutputFile::open(log.output);
  if (!file) return tl::unexpected<Error>(file.error());
  log.file_sink->replace(std::move(*file));
  return {};
}

bool log_enabled(LogLevel level) {
  return level >= process_log().level.load(std::memory_order_relaxed);
}

void forward_log_lines(std::function<void(LogLevel, std::string)> forward) {
  forward_line = std::move(forward);
}

void write_log(LogLevel level, std::string_view message) {
  if (forward_line) return forward_line(level, std::string(message));
  Log& log = process_log();
  std::shared_ptr<spdlog::logger> logger;
  {
    const std::lock_guard lock(log.mutex);
    logger = log.logger;
  }
  if (logger == nullptr) return;
  if (message.size() > message_limit_bytes) message = message.substr(0, message_limit_bytes);
  logger->log(to_spdlog(level), spdlog::string_view_t(without_control_characters(message)));
}

void write_log_lines(LogLevel level, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    if (length > 0) write_log(level, text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
}

}  // namespace azulb::base
