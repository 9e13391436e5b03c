// One line per exchange: the record the exchange fills, the compiled format that turns it into a line, and a
// worker's way to the sink. Nothing here allocates once constructed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/line_sink.hpp"
#include "azulb/base/random.hpp"
#include "azulb/base/result.hpp"
#include "azulb/proxy/error_word.hpp"

namespace azulb::proxy {

/// What is known of an exchange at its end. Views need to live only until the line is formatted. An empty
/// view, a status of 0, a port of 0 and a negative duration mean "absent".
struct AccessRecord {
  static constexpr std::int64_t absent = -1;

  std::int64_t time_ns = 0;    // wall clock, when the request's first byte came
  std::string_view client_ip;  // numeric; empty for a unix socket
  std::uint16_t client_port = 0;
  std::string_view listener;
  std::string_view host;
  std::string_view method;
  std::string_view target;   // as the client sent it
  std::string_view version;  // "HTTP/1.1"
  int status = 0;            // what the client got, 499 when it left before that
  std::string_view route;
  std::string_view upstream;
  std::string_view server;  // of the last attempt
  unsigned attempts = 0;
  std::string_view request_id;
  std::uint64_t bytes_received = 0;   // from the client, head and body
  std::uint64_t bytes_sent = 0;       // to the client, head and body
  std::uint64_t body_bytes_sent = 0;  // of which body, without framing: what `combined` shows
  std::int64_t duration_ns = absent;
  std::int64_t time_to_first_byte_ns = absent;
  std::int64_t upstream_time_ns = absent;  // of the last attempt: request sent to response complete
  std::int64_t queue_time_ns = absent;
  ErrorWord error = ErrorWord::none;
  std::string_view user_agent;
  std::string_view referer;
  bool tunnel = false;
};

/// The fields of a line, in the order of the JSON keys.
enum class AccessField : std::uint8_t {
  time,
  client_ip,
  client_port,
  listener,
  host,
  method,
  target,
  version,
  status,
  route,
  upstream,
  server,
  attempts,
  request_id,
  bytes_received,
  bytes_sent,
  duration_ms,
  time_to_first_byte_ms,
  upstream_ms,
  queue_ms,
  error,
  user_agent,
  referer,
  tunnel,
};

/// Wall-clock times as text; formats the calendar part once per second. Not thread-safe.
class TimeText {
 public:
  /// "2026-11-23T09:33:49.123Z", 24 bytes.
  char* write_iso(std::int64_t time_ns, char* out);
  /// "23/Nov/2026:09:33:49 +0000" in the local zone, 26 bytes.
  char* write_common(std::int64_t time_ns, char* out);

 private:
  std::time_t iso_second_ = -1;
  std::time_t common_second_ = -1;
  std::array<char, 32> iso_{};
  std::array<char, 40> common_{};
};

/// A format compiled once. Each worker has its own copy (it holds the time cache). Durations are written in
/// milliseconds with three decimals, times in UTC with milliseconds.
///
/// Hostile bytes: JSON lines are always valid UTF-8 and valid JSON; a byte that is not part of well-formed
/// UTF-8 becomes \u00XX with the byte's value. Combined and templates escape as nginx does: \xXX for bytes
/// below 0x20, above 0x7E, the quote and the backslash. A value too long for its share of the line is cut and
/// ends in "…" (JSON) or "...".
class AccessLogFormat {
 public:
  /// Every line fits into this many bytes, newline included.
  static constexpr std::size_t line_limit_bytes = std::size_t{16} * 1024;

  /// "json", "combined" or a template of text and {field}, the fields named as the JSON keys; {{ and }} are
  /// braces. Errors: an unknown or unclosed field (names the known ones), a template whose lines could pass
  /// line_limit_bytes.
  static base::Result<AccessLogFormat> compile(std::string_view format);

  /// The most that format() writes, newline included; at most line_limit_bytes.
  std::size_t max_line_bytes() const { return max_line_bytes_; }

  /// Writes one line with its newline to `out`, returns its length; 0 when `capacity_bytes` <
  /// max_line_bytes().
  std::size_t format(const AccessRecord& record, char* out, std::size_t capacity_bytes);

 private:
  enum class Kind { json, combined, pattern };
  struct Part {
    std::string literal;  // written before the field
    bool has_field = false;
    AccessField field = AccessField::time;
  };

  static base::Result<AccessLogFormat> compile_pattern(AccessLogFormat compiled, std::string_view format);
  char* format_json(const AccessRecord& record, char* out);
  char* format_combined(const AccessRecord& record, char* out);
  char* format_pattern(const AccessRecord& record, char* out);

  Kind kind_ = Kind::json;
  std::vector<Part> parts_;  // for a pattern
  std::size_t max_line_bytes_ = 0;
  TimeText times_;
};

/// Decides which lines are kept: every 4xx and 5xx, every one with an error word or retried, and a share of
/// the rest.
class AccessLogSampler {
 public:
  /// `share` 0..1. The same random numbers give the same decisions.
  AccessLogSampler(double share, base::Random random);
  bool keep(const AccessRecord& record);

 private:
  std::uint64_t threshold_;  // a draw below it is kept; UINT64_MAX: all are
  base::Random random_;
};

/// A worker's access log: sampling, formatting straight into the ring, no system call. Not thread-safe.
class AccessLog {
 public:
  /// Off.
  AccessLog();
  /// `producer` null: off. It must outlive this object.
  AccessLog(AccessLogFormat format, AccessLogSampler sampler, base::LineProducer* producer);

  /// False: there is no use in filling a record.
  bool enabled() const { return producer_ != nullptr; }
  void write(const AccessRecord& record);

 private:
  AccessLogFormat format_;
  AccessLogSampler sampler_;
  base::LineProducer* producer_;
};

}  // namespace azulb::proxy
