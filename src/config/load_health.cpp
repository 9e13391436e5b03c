// upstream.NAME.health, .outlier and .retry
#include <algorithm>
#include <array>
#include <charconv>

#include "azulb/config/nearest.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

constexpr std::int64_t kMostInARow = 1'000'000;

void read_headers(TableReader& table, Health& health) {
  static const std::vector<std::string_view> kOwn{
      "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect"};
  Once names;
  for (auto& [name, value] : table.all_texts()) {
    const std::string lower = to_lower(name.value);
    if (!is_token(name.value)) {
      table.context().report(name, {quote(name.value) + " is not a header's name"});
    } else if (lower == "host") {
      table.context().report(name, {"the Host of a health check is set with health.host"});
    } else if (std::find(kOwn.begin(), kOwn.end(), lower) != kOwn.end()) {
      table.context().report(name, {quote(name.value) + " is azulb's to set"});
    } else if (auto fault = check_field_value(value.value)) {
      table.context().report(value, std::move(*fault));
    } else if (names.add(table.context(), lower, name, "header")) {
      health.headers.emplace_back(name.value, value.value);
    }
  }
}

/// "200" or "200-399".
std::optional<StatusRange> parse_status_range(std::string_view text) {
  const auto parse = [](std::string_view digits) -> int {
    int status = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, status);
    const bool valid =
        digits.size() == 3 && error == std::errc{} && stop == end && status >= 100 && status <= 599;
    return valid ? status : 0;
  };
  const std::size_t dash = text.find('-');
  const int first = parse(text.substr(0, dash));
  const int last = dash == std::string_view::npos ? first : parse(text.substr(dash + 1));
  if (first == 0 || last < first) return {};
  return StatusRange{first, last};
}

void read_expect_status(TableReader& table, std::vector<StatusRange>& member) {
  const std::optional<Text> text = table.text("expect_status");
  if (!text) return;
  std::vector<StatusRange> ranges;
  std::string_view rest = text->value;
  while (true) {
    const std::size_t comma = rest.find(',');
    std::string_view part = rest.substr(0, comma);
    while (part.starts_with(' '))
      part.remove_prefix(1);
    while (part.ends_with(' '))
      part.remove_suffix(1);
    const std::optional<StatusRange> range = parse_status_range(part);
    if (!range) {
      return table.context().report(
          *text,
          {quote(part) +
           R"( is not a status from 100 to 599 or a range of them: expected "200", "200,204" or "200-399")"});
    }
    ranges.push_back(*range);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  member = std::move(ranges);
}

struct RetryWord {
  std::string_view word;
  std::uint32_t condition;
};

constexpr std::array<RetryWord, 12> kRetryWords{{{"error", retry_error},
                                                 {"timeout", retry_timeout},
                                                 {"invalid_header", retry_invalid_header},
                                                 {"http_500", retry_http_500},
                                                 {"http_502", retry_http_502},
                                                 {"http_503", retry_http_503},
                                                 {"http_504", retry_http_504},
                                                 {"http_403", retry_http_403},
                                                 {"http_404", retry_http_404},
                                                 {"http_429", retry_http_429},
                                                 {"non_idempotent", retry_non_idempotent},
                                                 {"off", 0}}};

void read_conditions(TableReader& table, std::uint32_t& on) {
  const std::optional<std::vector<Text>> texts = table.texts("on");
  if (!texts) return;
  if (texts->empty()) return table.report("on", {R"("on" is empty: to never retry, write on = ["off"])"});
  std::vector<std::string_view> words;
  for (const RetryWord& known : kRetryWords)
    words.push_back(known.word);
  std::uint32_t conditions = 0;
  Once once;
  for (const Text& text : *texts) {
    const auto found = std::find(words.begin(), words.end(), text.value);
    if (found == words.end()) {
      table.context().report(
          text, {quote(text.value) + " is not a condition to retry on", nearest(text.value, words)});
      continue;
    }
    once.add(table.context(), text.value, text, "condition");
    if (text.value == "off" && texts->size() > 1)
      table.context().report(text, {"\"off\" stands alone: it contradicts the other conditions"});
    conditions |= kRetryWords[static_cast<std::size_t>(found - words.begin())].condition;
  }
  on = conditions;
}

}  // namespace

void read_health(TableReader& table, Health& health) {
  table.text("path", health.path, check_request_target);
  table.text("method", health.method, check_method);
  table.text("host", health.host, check_host_field);
  table.table("headers", [&](TableReader& inner) { read_headers(inner, health); });
  table.duration("interval", health.interval, {10ms, kLongestTimeout});
  // A pace between states slower than the usual one would make no sense where only the usual one is written.
  health.fast_interval = std::min(health.fast_interval, health.interval);
  table.duration("fast_interval", health.fast_interval, {10ms, kLongestTimeout});
  table.duration("timeout", health.timeout);
  table.number("jitter", health.jitter, {0.0, 1.0});
  table.integer("rise", health.rise, {1, kMostInARow});
  table.integer("fall", health.fall, {1, kMostInARow});
  read_expect_status(table, health.expect_status);
  table.text("expect_body", health.expect_body);
  table.integer("port", health.port, {0, 65535});
  table.choice<HealthInitial>(
      "initial", health.initial,
      {{"probe", HealthInitial::probe}, {"up", HealthInitial::up}, {"down", HealthInitial::down}});
}

void read_outlier(TableReader& table, Outlier& outlier) {
  table.integer("consecutive_errors", outlier.consecutive_errors, {0, kMostInARow});
  table.integer("consecutive_5xx", outlier.consecutive_5xx, {0, kMostInARow});
  table.duration("ejection", outlier.ejection, {1ms, 5min});  // it doubles up to 5 minutes
  table.number("max_ejected", outlier.max_ejected, {0.0, 1.0});
}

void read_retry(TableReader& table, Retry& retry) {
  read_conditions(table, retry.on);
  table.integer("attempts", retry.attempts, {1, 100});
  table.duration("timeout", retry.timeout, {0ms, kLongestTimeout});
  table.size("buffer", retry.buffer, {0, 1ULL << 30});
  table.duration("backoff", retry.backoff, {0ms, 1min});
  table.number("budget", retry.budget, {0.0, 10.0});
}

}  // namespace azulb::config
