#include "azulb/http/framing.hpp"

#include <cstddef>
#include <limits>

#include "azulb/http/bytes.hpp"
#include "azulb/http/upgrade.hpp"

namespace azulb::http {
namespace {

/// What the fields say that both kinds of message have.
struct Collected {
  const Field* content_length = nullptr;
  const Field* transfer_encoding = nullptr;
  bool repeated_content_length = false;
  bool repeated_transfer_encoding = false;
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;  // "upgrade" in Connection
};

[[gnu::noinline]] void collect_connection(std::string_view value, Collected& collected) {
  std::string_view element;
  while (next_list_element(value, element)) {
    if (equal_ignore_case(element, "close"))
      collected.close = true;
    else if (equal_ignore_case(element, "keep-alive"))
      collected.keep_alive = true;
    else if (equal_ignore_case(element, "upgrade"))
      collected.upgrade = true;
  }
}

void collect(const Field& field, Collected& collected) {
  switch (field.id) {
    case FieldId::content_length:
      collected.repeated_content_length |= collected.content_length != nullptr;
      collected.content_length = &field;
      break;
    case FieldId::transfer_encoding:
      collected.repeated_transfer_encoding |= collected.transfer_encoding != nullptr;
      collected.transfer_encoding = &field;
      break;
    case FieldId::connection:
      collect_connection(field.value, collected);
      break;
    default:
      break;
  }
}

Defect judge_transfer_encoding(const Collected& collected, int version_minor) {
  if (collected.content_length != nullptr) return Defect::length_and_transfer_encoding;
  if (version_minor == 0) return Defect::transfer_encoding_in_http10;
  if (collected.repeated_transfer_encoding ||
      !equal_ignore_case(collected.transfer_encoding->value, "chunked")) {
    return Defect::bad_transfer_encoding;
  }
  return Defect::none;
}

/// RFC 9112 section 6.1 and 6.3, and stricter: nothing about a body's end may be open to a second reading.
Defect judge_body(const Collected& collected, int version_minor, BodyKind& body, std::uint64_t& length) {
  if (collected.transfer_encoding != nullptr) {
    const Defect defect = judge_transfer_encoding(collected, version_minor);
    if (defect == Defect::none) body = BodyKind::chunked;
    return defect;
  }
  if (collected.content_length != nullptr) {
    if (collected.repeated_content_length) return Defect::repeated_content_length;
    if (!parse_content_length(collected.content_length->value, length)) return Defect::bad_content_length;
    body = BodyKind::length;
  }
  return Defect::none;
}

bool persists(const Collected& collected, int version_minor) {
  return !collected.close && (version_minor > 0 || collected.keep_alive);
}

/// RFC 9112 section 3.2: one Host, well formed, and required from HTTP/1.1 on. It is judged even where
/// absolute-form makes it void.
Defect judge_host(const RequestHead& head, const Field* host, RequestInfo& info) {
  if (host == nullptr && head.version_minor > 0) return Defect::missing_host;
  if (host != nullptr && !parse_authority(host->value, info.authority)) return Defect::bad_host;
  if (info.target.form == TargetForm::absolute) {
    info.host = info.target.authority;
    parse_authority(info.host, info.authority);  // parse_target has found it well formed
  } else if (host != nullptr) {
    info.host = host->value;
  }
  return Defect::none;
}

/// The protocol of an Upgrade field that azulb lets a request switch to: websocket where it is offered, else
/// the only one offered unless that is HTTP/2.
std::string_view choose_upgrade(std::string_view value) {
  std::string_view element;
  std::string_view chosen;
  int count = 0;
  while (next_list_element(value, element)) {
    if (equal_ignore_case(element, "websocket")) return element;
    chosen = element;
    ++count;
  }
  if (count != 1 || chosen.size() > 64) return {};
  const std::string_view name = chosen.substr(0, chosen.find('/'));
  const bool valid =
      is_token(name) && (name.size() == chosen.size() || is_token(chosen.substr(name.size() + 1)));
  const bool is_http = equal_ignore_case(name, "h2c") || equal_ignore_case(name, "h2") ||
                       equal_ignore_case(name, "http") || equal_ignore_case(name, "tls");
  return valid && !is_http ? chosen : std::string_view{};
}

Defect judge_upgrade(const RequestHead& head, const Field& field, RequestInfo& info) {
  const bool has_body = info.body == BodyKind::chunked || info.content_length > 0;
  if (head.method != Method::get || head.version_minor == 0 || has_body) return Defect::none;
  info.upgrade = choose_upgrade(field.value);
  if (!equal_ignore_case(info.upgrade, "websocket")) return Defect::none;
  info.websocket = true;
  return check_websocket_request(head);
}

std::uint32_t keep_alive_hint_s(std::string_view value) {
  std::string_view element;
  while (next_list_element(value, element)) {
    constexpr std::string_view key = "timeout=";
    if (element.size() <= key.size() || !equal_ignore_case(element.substr(0, key.size()), key)) continue;
    std::uint64_t seconds = 0;
    if (!parse_content_length(element.substr(key.size()), seconds)) continue;
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(seconds < most ? seconds : most);
  }
  return 0;
}

}  // namespace

bool parse_content_length(std::string_view text, std::uint64_t& length) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  if (text.empty()) return false;
  std::uint64_t value = 0;
  for (const char byte : text) {
    if (!is_digit(byte)) return false;
    const auto digit = static_cast<std::uint64_t>(byte - '0');
    if (value > (most - digit) / 10) return false;
    value = value * 10 + digit;
  }
  length = value;
  return true;
}

Defect judge_request(const RequestHead& head, RequestInfo& info) {
  info = RequestInfo{};
  Collected collected;
  const Field* host = nullptr;
  const Field* upgrade = nullptr;
  bool repeated_host = false;
  bool bad_expect = false;
  for (const Field& field : head.fields) {
    switch (field.id) {
      case FieldId::host:
        repeated_host |= host != nullptr;
        host = &field;
        break;
      case FieldId::upgrade:
        if (upgrade == nullptr) upgrade = &field;
        break;
      case FieldId::te:
        info.accepts_trailers |= list_contains(field.value, "trailers");
        break;
      case FieldId::expect:
        info.expect_continue = equal_ignore_case(field.value, "100-continue");
        bad_expect |= !info.expect_continue;
        break;
      default:
        collect(field, collected);
        break;
    }
  }

  Defect defect = judge_body(collected, head.version_minor, info.body, info.content_length);
  if (defect != Defect::none) return defect;
  if (head.method == Method::connect || head.method == Method::trace) return Defect::method_not_allowed;
  defect = parse_target(head.method, head.target, info.target);
  if (defect != Defect::none) return defect;
  if (repeated_host) return Defect::repeated_host;
  defect = judge_host(head, host, info);
  if (defect != Defect::none) return defect;
  if (bad_expect && head.version_minor > 0) return Defect::bad_expect;

  const bool has_body = info.body == BodyKind::chunked || info.content_length > 0;
  info.expect_continue = info.expect_continue && head.version_minor > 0 && has_body;
  info.method_override = !info.target.query.empty() && has_method_override(info.target.query_string());
  info.idempotent = is_idempotent(head.method) && !info.method_override;
  if (upgrade != nullptr && collected.upgrade) {
    defect = judge_upgrade(head, *upgrade, info);
    if (defect != Defect::none) return defect;
  }
  info.keep_alive = persists(collected, head.version_minor);
  return Defect::none;
}

Defect judge_response(const ResponseHead& head, Method method, ResponseInfo& info) {
  info = ResponseInfo{};
  Collected collected;
  for (const Field& field : head.fields) {
    if (field.id == FieldId::keep_alive)
      info.keep_alive_timeout_s = keep_alive_hint_s(field.value);
    else
      collect(field, collected);
  }
  const Defect defect = judge_body(collected, head.version_minor, info.announced, info.content_length);
  if (defect != Defect::none) return defect;

  info.switching = head.status == 101;
  info.interim = head.status < 200 && !info.switching;
  const bool never_has_body = head.status < 200 || head.status == 204;
  bool surprising_body = false;
  if (never_has_body) {
    // RFC 9112 section 6.3: such a message ends with its head. Whoever announces a body for it may send one.
    surprising_body = info.announced == BodyKind::chunked || info.content_length > 0;
    info.announced = BodyKind::none;
    info.content_length = 0;
  } else if (method == Method::head || head.status == 304) {
    info.body = BodyKind::none;
  } else {
    if (info.announced == BodyKind::none) info.announced = BodyKind::until_close;
    info.body = info.announced;
  }
  info.keep_alive =
      persists(collected, head.version_minor) && info.body != BodyKind::until_close && !surprising_body;
  return Defect::none;
}

}  // namespace azulb::http
