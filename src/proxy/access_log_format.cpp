#include <charconv>
#include <cstring>
#include <utility>

#include "azulb/base/escape.hpp"
#include "azulb/proxy/access_log.hpp"

namespace azulb::proxy {
namespace {

struct FieldEntry {
  std::string_view name;
  std::size_t limit_bytes;  // the most its value takes in a line, quotes not counted
};

/// In the order of AccessField. Texts that a client chooses are cut at their limit.
constexpr std::array<FieldEntry, 24> fields = {{
    {"time", 32},         {"client_ip", 64},   {"client_port", 5},
    {"listener", 256},    {"host", 512},       {"method", 64},
    {"target", 8192},     {"version", 16},     {"status", 11},
    {"route", 256},       {"upstream", 256},   {"server", 256},
    {"attempts", 10},     {"request_id", 256}, {"bytes_received", 20},
    {"bytes_sent", 20},   {"duration_ms", 24}, {"time_to_first_byte_ms", 24},
    {"upstream_ms", 24},  {"queue_ms", 24},    {"error", 24},
    {"user_agent", 1024}, {"referer", 2048},   {"tunnel", 5},
}};
static_assert(fields.size() == static_cast<std::size_t>(AccessField::tunnel) + 1);

/// Enough for "null" and the quotes of a value, ", its key and the braces around all.
constexpr std::size_t json_line_bytes() {
  std::size_t sum = 3;
  for (const FieldEntry& field : fields)
    sum += field.limit_bytes + field.name.size() + 8;
  return sum;
}
static_assert(json_line_bytes() <= AccessLogFormat::line_limit_bytes);

constexpr std::size_t limit_of(AccessField field) {
  return fields[static_cast<std::size_t>(field)].limit_bytes;
}

constexpr std::size_t combined_line_bytes() {
  return limit_of(AccessField::client_ip) + limit_of(AccessField::time) + limit_of(AccessField::method) +
         limit_of(AccessField::target) + limit_of(AccessField::version) + limit_of(AccessField::status) +
         limit_of(AccessField::bytes_sent) + limit_of(AccessField::referer) +
         limit_of(AccessField::user_agent) + 64;
}
static_assert(combined_line_bytes() <= AccessLogFormat::line_limit_bytes);

inline char* put(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

template <typename Number>
char* put_number(Number number, char* out) {
  return std::to_chars(out, out + 24, number).ptr;
}

inline char* put_digits(unsigned number, int digits, char* out) {
  for (int i = digits - 1; i >= 0; --i, number /= 10)
    out[i] = static_cast<char>('0' + number % 10);
  return out + digits;
}

/// Milliseconds with three decimals.
inline char* put_milliseconds(std::int64_t duration_ns, char* out) {
  const auto microseconds = static_cast<std::uint64_t>(duration_ns) / 1000;
  out = put_number(microseconds / 1000, out);
  *out++ = '.';
  return put_digits(static_cast<unsigned>(microseconds % 1000), 3, out);
}

template <bool json>
char* put_absent(char* out) {
  return put(json ? "null" : "-", out);
}

template <bool json>
inline char* put_text(std::string_view text, std::size_t limit_bytes, char* out) {
  if (text.empty()) return put_absent<json>(out);
  if constexpr (!json) return base::escape_log_text(text, out, limit_bytes);
  *out++ = '"';
  out = base::escape_json(text, out, limit_bytes);
  *out++ = '"';
  return out;
}

template <bool json>
inline char* put_time(std::int64_t time_ns, TimeText& times, char* out) {
  if (json) *out++ = '"';
  out = times.write_iso(time_ns, out);
  if (json) *out++ = '"';
  return out;
}

template <bool json>
inline char* put_duration(std::int64_t duration_ns, char* out) {
  return duration_ns < 0 ? put_absent<json>(out) : put_milliseconds(duration_ns, out);
}

/// Inlined, so that with a constant field only that field's line remains.
template <bool json>
[[gnu::always_inline]] inline char* put_field(AccessField field, const AccessRecord& record, TimeText& times,
                                              char* out) {
  const std::size_t limit = limit_of(field);
  switch (field) {
    case AccessField::time:
      return put_time<json>(record.time_ns, times, out);
    case AccessField::client_ip:
      return put_text<json>(record.client_ip, limit, out);
    case AccessField::client_port:
      return record.client_port == 0 ? put_absent<json>(out) : put_number(record.client_port, out);
    case AccessField::listener:
      return put_text<json>(record.listener, limit, out);
    case AccessField::host:
      return put_text<json>(record.host, limit, out);
    case AccessField::method:
      return put_text<json>(record.method, limit, out);
    case AccessField::target:
      return put_text<json>(record.target, limit, out);
    case AccessField::version:
      return put_text<json>(record.version, limit, out);
    case AccessField::status:
      return record.status == 0 ? put_absent<json>(out) : put_number(record.status, out);
    case AccessField::route:
      return put_text<json>(record.route, limit, out);
    case AccessField::upstream:
      return put_text<json>(record.upstream, limit, out);
    case AccessField::server:
      return put_text<json>(record.server, limit, out);
    case AccessField::attempts:
      return put_number(record.attempts, out);
    case AccessField::request_id:
      return put_text<json>(record.request_id, limit, out);
    case AccessField::bytes_received:
      return put_number(record.bytes_received, out);
    case AccessField::bytes_sent:
      return put_number(record.bytes_sent, out);
    case AccessField::duration_ms:
      return put_duration<json>(record.duration_ns, out);
    case AccessField::time_to_first_byte_ms:
      return put_duration<json>(record.time_to_first_byte_ns, out);
    case AccessField::upstream_ms:
      return put_duration<json>(record.upstream_time_ns, out);
    case AccessField::queue_ms:
      return put_duration<json>(record.queue_time_ns, out);
    case AccessField::error:
      return put_text<json>(record.error == ErrorWord::none ? std::string_view{} : error_name(record.error),
                            limit, out);
    case AccessField::user_agent:
      return put_text<json>(record.user_agent, limit, out);
    case AccessField::referer:
      return put_text<json>(record.referer, limit, out);
    case AccessField::tunnel:
      return put(record.tunnel ? "true" : "false", out);
  }
  return out;
}

/// `,"name":` of every field, made at compile time; the first begins the object instead.
template <std::size_t index>
struct JsonKey {
  static constexpr std::string_view name = fields[index].name;
  static constexpr auto text = [] {
    std::array<char, name.size() + 4> key{};
    key[0] = index == 0 ? '{' : ',';
    key[1] = '"';
    for (std::size_t i = 0; i < name.size(); ++i)
      key[i + 2] = name[i];
    key[name.size() + 2] = '"';
    key[name.size() + 3] = ':';
    return key;
  }();
};

template <std::size_t... index>
inline char* put_json(const AccessRecord& record, TimeText& times, char* out, std::index_sequence<index...>) {
  ((out = put(std::string_view(JsonKey<index>::text.data(), JsonKey<index>::text.size()), out),
    out = put_field<true>(static_cast<AccessField>(index), record, times, out)),
   ...);
  return out;
}

std::string known_fields() {
  std::string names;
  for (const FieldEntry& field : fields) {
    if (!names.empty()) names += ", ";
    names += field.name;
  }
  return names;
}

base::Result<AccessField> find_field(std::string_view name) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return static_cast<AccessField>(i);
  }
  return base::failure("access log: no field is named \"" + std::string(name) + "\"; fields are " +
                       known_fields());
}

}  // namespace

base::Result<AccessLogFormat> AccessLogFormat::compile(std::string_view format) {
  AccessLogFormat compiled;
  if (format == "json") {
    compiled.kind_ = Kind::json;
    compiled.max_line_bytes_ = json_line_bytes();
    return compiled;
  }
  if (format == "combined") {
    compiled.kind_ = Kind::combined;
    compiled.max_line_bytes_ = combined_line_bytes();
    return compiled;
  }
  if (format.find('{') == std::string_view::npos) {
    return base::failure(
        "access log: the format is neither \"json\" nor \"combined\" nor a template with {fields}; fields "
        "are " +
        known_fields());
  }
  compiled.kind_ = Kind::pattern;
  return compile_pattern(std::move(compiled), format);
}

base::Result<AccessLogFormat> AccessLogFormat::compile_pattern(AccessLogFormat compiled,
                                                               std::string_view format) {
  Part part;
  std::size_t max_bytes = 1;  // the newline
  while (!format.empty()) {
    const char first = format.front();
    const bool doubled = format.size() > 1 && format[1] == first;
    if (first == '{' && !doubled) {
      const std::size_t close = format.find('}');
      if (close == std::string_view::npos)
        return base::failure("access log: a { of the format is not closed by }");
      const auto field = find_field(format.substr(1, close - 1));
      if (!field) return tl::unexpected<base::Error>(field.error());
      max_bytes += part.literal.size() + limit_of(*field);
      part.has_field = true;
      part.field = *field;
      compiled.parts_.push_back(std::exchange(part, Part{}));
      format.remove_prefix(close + 1);
      continue;
    }
    if (first == '}' && !doubled) {
      return base::failure("access log: a } of the format closes nothing; write }} for a brace");
    }
    if (first == '\n' || first == '\r') return base::failure("access log: the format has a line break");
    part.literal += first;
    format.remove_prefix(first == '{' || first == '}' ? 2 : 1);
  }
  max_bytes += part.literal.size();
  if (!part.literal.empty()) compiled.parts_.push_back(std::move(part));
  if (max_bytes > line_limit_bytes) {
    return base::failure("access log: lines of this format could pass " + std::to_string(line_limit_bytes) +
                         " bytes; name long fields (target, referer, user_agent) once");
  }
  compiled.max_line_bytes_ = max_bytes;
  return compiled;
}

std::size_t AccessLogFormat::format(const AccessRecord& record, char* out, std::size_t capacity_bytes) {
  if (capacity_bytes < max_line_bytes_) return 0;
  char* end = out;
  switch (kind_) {
    case Kind::json:
      end = format_json(record, out);
      break;
    case Kind::combined:
      end = format_combined(record, out);
      break;
    case Kind::pattern:
      end = format_pattern(record, out);
      break;
  }
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

char* AccessLogFormat::format_json(const AccessRecord& record, char* out) {
  out = put_json(record, times_, out, std::make_index_sequence<fields.size()>());
  *out++ = '}';
  return out;
}

char* AccessLogFormat::format_combined(const AccessRecord& record, char* out) {
  const auto field = [&](AccessField which) { out = put_field<false>(which, record, times_, out); };
  field(AccessField::client_ip);
  out = put(" - - [", out);
  out = times_.write_common(record.time_ns, out);
  out = put("] \"", out);
  field(AccessField::method);
  if (!record.method.empty()) {
    *out++ = ' ';
    field(AccessField::target);
    *out++ = ' ';
    field(AccessField::version);
  }
  out = put("\" ", out);
  field(AccessField::status);
  *out++ = ' ';
  out = put_number(record.body_bytes_sent, out);
  out = put(" \"", out);
  field(AccessField::referer);
  out = put("\" \"", out);
  field(AccessField::user_agent);
  *out++ = '"';
  return out;
}

char* AccessLogFormat::format_pattern(const AccessRecord& record, char* out) {
  for (const Part& part : parts_) {
    out = put(part.literal, out);
    if (part.has_field) out = put_field<false>(part.field, record, times_, out);
  }
  return out;
}

}  // namespace azulb::proxy
