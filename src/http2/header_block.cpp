#include "azulb/http2/header_block.hpp"

#include <algorithm>
#include <span>

#include "azulb/http/bytes.hpp"
#include "azulb/http/target.hpp"

namespace azulb::http2 {

using http::Defect;
using http::FieldId;

namespace {

// RFC 9113 section 6.5.2 counts so much for each field besides its name and value.
constexpr std::size_t entry_overhead_bytes = 32;
// What HTTP/1 needs for ": " and the line's end, and beside method and target for " HTTP/1.1".
constexpr std::size_t line_overhead_bytes = 4;
constexpr std::size_t request_line_overhead_bytes = 10;

/// A block that unfolds to so many times its limit is not a mistake.
constexpr std::size_t monstrous_factor = 4;

/// RFC 9113 section 8.2.1, and stricter: a token without capitals.
bool is_field_name(std::string_view name) {
  for (const char byte : name) {
    if (!http::is_byte(byte, http::class_token) || (byte >= 'A' && byte <= 'Z')) return false;
  }
  return !name.empty();
}

bool is_space(char byte) {
  return byte == ' ' || byte == '\t';
}

/// RFC 9113 section 8.2.1, and stricter: no control byte but HTAB, and no space at either end.
Defect judge_value(std::string_view value) {
  if (!http::is_field_value(value)) return Defect::control_byte;
  if (!value.empty() && (is_space(value.front()) || is_space(value.back()))) return Defect::bad_field_value;
  return Defect::none;
}

/// RFC 9113 section 8.2.2: fields about the connection have no place here, and would mean something in
/// HTTP/1.
bool is_connection_field(FieldId id, std::string_view value) {
  switch (id) {
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
      return true;
    case FieldId::te:
      return !http::equal_ignore_case(value, "trailers");
    default:
      return false;
  }
}

}  // namespace

void HeaderBlock::begin_request(const HeadLimits& limits) {
  clear();
  limits_ = limits;
  monstrous_bytes_ = monstrous_factor * (limits.header_bytes + limits.request_line_bytes) +
                     2 * entry_overhead_bytes * limits.fields;
}

void HeaderBlock::begin_response() {
  begin_request(response_head_limits);
  kind_ = Kind::response;
}

void HeaderBlock::begin_trailers() {
  clear();
  kind_ = Kind::trailers;
  limits_ = {.request_line_bytes = 0, .header_bytes = max_trailer_bytes, .fields = max_trailer_fields};
  monstrous_bytes_ = monstrous_factor * max_trailer_bytes + 2 * entry_overhead_bytes * max_trailer_fields;
}

void HeaderBlock::clear() {
  text_.clear();
  entries_.clear();
  cookies_.clear();
  pseudo_ = {};
  field_bytes_ = field_count_ = decoded_bytes_ = 0;
  has_cookie_ = fields_begun_ = malformed_ = websocket_ = false;
  kind_ = Kind::request;
  defect_ = Defect::none;
}

void HeaderBlock::fail(Defect defect, bool malformed) {
  if (defect_ != Defect::none && !malformed) return;  // what is malformed outweighs a limit
  if (malformed_) return;
  defect_ = defect;
  malformed_ = malformed;
}

void HeaderBlock::add(std::string_view name, std::string_view value) {
  decoded_bytes_ += name.size() + value.size() + entry_overhead_bytes;
  if (malformed_) return;
  if (const Defect defect = judge_value(value); defect != Defect::none) return fail(defect, true);
  if (!name.empty() && name.front() == ':') {
    add_pseudo(name, value);
  } else {
    add_field(name, value);
  }
}

void HeaderBlock::add_pseudo(std::string_view name, std::string_view value) {
  static constexpr std::array<std::string_view, pseudo_count> names = {":method", ":scheme",   ":authority",
                                                                       ":path",   ":protocol", ":status"};
  std::size_t index = 0;
  while (index < names.size() && names[index] != name)
    ++index;
  // RFC 9113 section 8.3: known ones only, each once, before all fields, those of a request in requests and
  // that of a response in responses, and none in trailers.
  const Kind its_kind = index == status ? Kind::response : Kind::request;
  if (index == names.size() || kind_ != its_kind || fields_begun_ || pseudo_[index].present) {
    return fail(Defect::bad_pseudo_field, true);
  }
  const bool too_long = kind_ == Kind::request && value.size() > limits_.request_line_bytes;
  if (too_long) {
    fail(index == authority ? Defect::header_too_large : Defect::request_line_too_long, false);
    value = {};
  }
  pseudo_[index] = {put(value), static_cast<std::uint32_t>(value.size()), true};
}

void HeaderBlock::add_field(std::string_view name, std::string_view value) {
  fields_begun_ = true;
  if (!is_field_name(name)) return fail(Defect::bad_field_name, true);
  const FieldId id = http::field_id(name);
  if (is_connection_field(id, value)) return fail(Defect::connection_field, true);
  ++field_count_;
  field_bytes_ += name.size() + value.size() + line_overhead_bytes;
  const bool too_large = field_bytes_ > limits_.header_bytes;
  if (too_large || field_count_ > limits_.fields) {
    if (kind_ == Kind::trailers) return fail(Defect::trailer_too_large, true);
    const bool response = kind_ == Kind::response;
    return fail(too_large ? Defect::header_too_large : Defect::too_many_fields, response);
  }
  if (defect_ != Defect::none) return;
  if (id == FieldId::cookie && kind_ == Kind::request) return add_cookie(name, value);
  push(name, value, id);
}

void HeaderBlock::add_cookie(std::string_view name, std::string_view value) {
  if (!has_cookie_) {
    has_cookie_ = true;
    cookie_index_ = static_cast<std::uint32_t>(entries_.size() / sizeof(Entry));
    return push(name, value, FieldId::cookie);
  }
  cookies_.append(std::string_view("; "));
  cookies_.append(value);
}

std::uint32_t HeaderBlock::put(std::string_view text) {
  const std::size_t at = text_.size();
  text_.append(text);
  return static_cast<std::uint32_t>(at);
}

void HeaderBlock::push(std::string_view name, std::string_view value, FieldId id) {
  Entry entry{};
  entry.name_at = put(name);
  entry.name_size = static_cast<std::uint32_t>(name.size());
  entry.value_at = put(value);
  entry.value_size = static_cast<std::uint32_t>(value.size());
  entry.id = id;
  entries_.append(std::span(reinterpret_cast<const char*>(&entry), sizeof entry));
}

std::span<HeaderBlock::Entry> HeaderBlock::entries() {
  return {reinterpret_cast<Entry*>(entries_.data()), entries_.size() / sizeof(Entry)};
}

/// RFC 9113 section 8.3.1, RFC 8441 section 4.
void HeaderBlock::judge_pseudo_fields() {
  const std::string_view name = view(pseudo_[method]);
  const std::string_view target = view(pseudo_[path]);
  const bool connect = name == "CONNECT";
  const bool extended = pseudo_[protocol].present;
  const bool limited = defect_ != Defect::none;  // what was too long has not been kept
  if (!pseudo_[method].present || (!limited && !http::is_token(name))) return fail(Defect::bad_method, true);
  if (connect && !extended) {
    if (pseudo_[scheme].present || pseudo_[path].present || !pseudo_[authority].present) {
      return fail(Defect::bad_pseudo_field, true);
    }
    return fail(Defect::method_not_allowed, false);
  }
  if (!pseudo_[scheme].present || !pseudo_[path].present || (extended && !connect) ||
      (extended && !pseudo_[authority].present)) {
    return fail(Defect::bad_pseudo_field, true);
  }
  if (limited) return;
  const bool asterisk = target == "*" && name == "OPTIONS";
  if (!asterisk && (target.empty() || target.front() != '/' || !http::is_target_text(target))) {
    return fail(Defect::bad_target, true);
  }
  if (name.size() + target.size() + request_line_overhead_bytes > limits_.request_line_bytes) {
    return fail(Defect::request_line_too_long, false);
  }
  const std::string_view wanted_scheme = view(pseudo_[scheme]);
  if (!http::equal_ignore_case(wanted_scheme, "http") && !http::equal_ignore_case(wanted_scheme, "https")) {
    return fail(Defect::bad_target, false);
  }
  if (!extended) return;
  websocket_ = http::equal_ignore_case(view(pseudo_[protocol]), "websocket");
  if (!websocket_) fail(Defect::unsupported_protocol, false);
}

/// One Host comes of :authority and Host, which must agree (RFC 9113 section 8.3.1).
void HeaderBlock::judge_host() {
  if (!pseudo_[authority].present) return;  // then Host is judged as in HTTP/1
  const std::string_view wanted = view(pseudo_[authority]);
  int hosts = 0;
  for (Entry& entry : entries()) {
    if (entry.id != FieldId::host) continue;
    if (!http::equal_ignore_case(text().substr(entry.value_at, entry.value_size), wanted)) {
      return fail(Defect::bad_host, true);
    }
    if (++hosts > 1) return fail(Defect::repeated_host, false);
  }
}

/// RFC 9113 section 8.2.3.
void HeaderBlock::join_cookies() {
  if (cookies_.empty()) return;
  Entry& entry = entries()[cookie_index_];
  const std::uint32_t at = static_cast<std::uint32_t>(text_.size());
  const std::span<char> room = text_.prepare(entry.value_size);
  text().substr(entry.value_at, entry.value_size).copy(room.data(), entry.value_size);
  text_.commit(entry.value_size);
  text_.append(cookies_.bytes());
  entry.value_at = at;
  entry.value_size += static_cast<std::uint32_t>(cookies_.size());
}

Defect HeaderBlock::finish_request(const RequestShape& shape, http::FieldList& fields,
                                   http::RequestHead& head) {
  judge_pseudo_fields();
  if (defect_ == Defect::none) judge_host();
  if (defect_ != Defect::none) return defect_;
  join_cookies();
  const bool host_from_authority = pseudo_[authority].present;
  if (host_from_authority) {
    for (Entry& entry : entries()) {
      if (entry.id == FieldId::host) entry.name_size = 0;  // said by :authority
    }
    const Slice& wanted = pseudo_[authority];
    const Entry host{put("host"), 4, wanted.at, wanted.size, FieldId::host};
    entries_.append(std::span(reinterpret_cast<const char*>(&host), sizeof host));
  }
  if (websocket_) {
    for (Entry& entry : entries()) {
      if (entry.id == FieldId::sec_websocket_key) entry.name_size = 0;  // of no meaning here
    }
    push("connection", "upgrade", FieldId::connection);
    push("upgrade", "websocket", FieldId::upgrade);
    push("sec-websocket-key", shape.websocket_key, FieldId::sec_websocket_key);
    pseudo_[method] = {put("GET"), 3, true};
  } else if (!shape.ended) {
    if (!has_field(FieldId::content_length)) push("transfer-encoding", "chunked", FieldId::transfer_encoding);
  }
  list_fields(fields);
  head.method_name = view(pseudo_[method]);
  head.method = http::method_of(head.method_name);
  head.target = view(pseudo_[path]);
  head.version_minor = 1;
  head.fields = fields.fields();
  head.present = fields.present();
  return Defect::none;
}

Defect HeaderBlock::finish_response(http::FieldList& fields, http::ResponseHead& head) {
  const std::string_view code = view(pseudo_[status]);
  // RFC 9113 section 8.3.2, RFC 9110 section 15; there is no 101 (RFC 9113 section 8.6).
  const bool three_digits = code.size() == 3 && std::all_of(code.begin(), code.end(), [](char digit) {
                              return digit >= '0' && digit <= '9';
                            });
  const bool valid = three_digits && code.front() >= '1' && code.front() <= '5' && code != "101";
  if (!valid) fail(Defect::bad_status_line, true);
  if (defect_ != Defect::none) return defect_;
  head.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  list_fields(fields);
  head.version_minor = 1;
  head.fields = fields.fields();
  head.present = fields.present();
  return Defect::none;
}

bool HeaderBlock::has_field(FieldId id) {
  const std::span<const Entry> all = entries();
  return std::any_of(all.begin(), all.end(), [id](const Entry& entry) { return entry.id == id; });
}

Defect HeaderBlock::finish_trailers(http::FieldList& fields) {
  if (defect_ == Defect::none) list_fields(fields);
  return defect_;
}

void HeaderBlock::list_fields(http::FieldList& fields) {
  fields.clear();
  const std::string_view all = text();
  for (const Entry& entry : entries()) {
    if (entry.name_size == 0) continue;
    fields.push({all.substr(entry.name_at, entry.name_size), all.substr(entry.value_at, entry.value_size),
                 entry.id, false});
  }
}

}  // namespace azulb::http2
