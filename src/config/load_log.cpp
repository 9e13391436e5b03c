// [log] and [access_log]
#include <algorithm>

#include "azulb/config/nearest.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

/// One of `words` or a path. A word that is none of them and has neither a slash nor a dot is a misspelling
/// rather than a file to create.
void read_output(TableReader& table, std::string& member, const std::vector<std::string_view>& words) {
  std::optional<Text> text = table.text("output");
  if (!text) return;
  const std::string& value = text->value;
  const bool is_word = std::find(words.begin(), words.end(), value) != words.end();
  if (!is_word && value.find_first_of("/.") == std::string::npos) {
    std::string list;
    for (const std::string_view word : words)
      list += std::string(word) + ", ";
    table.context().report(
        *text, {"\"output\" must be " + list + "or a path; not " + quote(value), nearest(value, words),
                value.empty() ? "" : "for a file in the working directory write \"./" + value + "\""});
    return;
  }
  if (value.find('\0') != std::string::npos)
    return table.context().report(*text, {"a path must not contain NUL"});
  member = value;
}

/// Holds that every {name} of a template is one azulb can fill in; {{ and }} are braces.
void check_template(Context& context, const Text& text) {
  const std::vector<std::string_view>& fields = access_log_fields();
  std::string_view rest = text.value;
  while (true) {
    const std::size_t brace = rest.find_first_of("{}");
    if (brace == std::string_view::npos) return;
    if (rest.substr(brace + 1, 1) == rest.substr(brace, 1)) {
      rest.remove_prefix(brace + 2);
      continue;
    }
    const std::size_t end = rest.find_first_of("{}", brace + 1);
    if (rest[brace] == '}')
      return context.report(context.locate(text.position, "}"), text.key,
                            {"\"}\" without a \"{\" before it"});
    if (end == std::string_view::npos || rest[end] == '{') {
      return context.report(context.locate(text.position, rest.substr(brace)), text.key,
                            {"\"{\" has no closing \"}\""});
    }
    const std::string_view name = rest.substr(brace + 1, end - brace - 1);
    if (std::find(fields.begin(), fields.end(), name) == fields.end()) {
      context.report(context.locate(text.position, rest.substr(brace, end - brace + 1)), text.key,
                     {"the access log has no field " + quote(name), nearest(name, fields)});
    }
    rest.remove_prefix(end + 1);
  }
}

void read_access_log_format(TableReader& table, std::string& member) {
  static const std::vector<std::string_view> words{"json", "combined"};
  const std::optional<Text> text = table.text("format");
  if (!text) return;
  if (std::find(words.begin(), words.end(), text->value) == words.end()) {
    if (text->value.find('{') == std::string::npos) {
      return table.context().report(
          *text, {"\"format\" must be json, combined or a template with {names}; not " + quote(text->value),
                  nearest(text->value, words)});
    }
    if (has_control_character(text->value)) {
      return table.context().report(*text,
                                    {"a template must not contain control characters: a record is one line"});
    }
    check_template(table.context(), *text);
  }
  member = text->value;
}

}  // namespace

const std::vector<std::string_view>& access_log_fields() {
  static const std::vector<std::string_view> fields{
      "time",        "client_ip",  "client_port",    "listener",   "host",        "method",
      "target",      "version",    "status",         "route",      "upstream",    "server",
      "attempts",    "request_id", "bytes_received", "bytes_sent", "duration_ms", "time_to_first_byte_ms",
      "upstream_ms", "queue_ms",   "error",          "user_agent", "referer",     "tunnel"};
  return fields;
}

void read_log(TableReader& table, Log& log) {
  table.choice<LogLevel>("level", log.level,
                         {{"debug", LogLevel::debug},
                          {"info", LogLevel::info},
                          {"warn", LogLevel::warn},
                          {"error", LogLevel::error}});
  read_output(table, log.output, {"stderr", "stdout", "syslog"});
  table.choice<LogFormat>("format", log.format, {{"text", LogFormat::text}, {"json", LogFormat::json}});
}

void read_access_log(TableReader& table, AccessLog& access_log) {
  read_output(table, access_log.output, {"off", "stdout", "stderr", "syslog"});
  read_access_log_format(table, access_log.format);
  table.number("sample", access_log.sample, {0.0, 1.0});
}

}  // namespace azulb::config
