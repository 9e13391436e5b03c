#include "azulb/http/local_reply.hpp"

#include <charconv>
#include <cstring>

#include "azulb/base/escape.hpp"
#include "azulb/http/forwarded.hpp"
#include "azulb/http/status.hpp"

namespace azulb::http {
namespace {

constexpr std::size_t max_detail_bytes = 200;
/// As escaped: a byte becomes six at most.
constexpr std::size_t max_escaped_bytes = max_detail_bytes * 6 + 16;
constexpr std::size_t max_escaped_id_bytes = max_request_id_length + 16;
constexpr std::size_t constant_bytes = 160;  // keys, punctuation, the longest reason
static_assert(max_escaped_bytes + max_escaped_id_bytes + constant_bytes <= local_body_capacity);

char* append(char* to, std::string_view text) {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

char* append_status(char* to, int status) {
  return std::to_chars(to, to + 11, status).ptr;
}

/// The media range without parameters, and whether its weight is zero ("q=0", "q=0.000").
std::string_view media_range(std::string_view element, bool& refused) {
  const std::size_t semicolon = element.find(';');
  refused = false;
  std::string_view parameters =
      semicolon == std::string_view::npos ? std::string_view{} : element.substr(semicolon + 1);
  while (!parameters.empty()) {
    const std::size_t end = parameters.find(';');
    const std::string_view parameter = trim(parameters.substr(0, end));
    parameters = end == std::string_view::npos ? std::string_view{} : parameters.substr(end + 1);
    if (parameter.size() < 3 || !equal_ignore_case(parameter.substr(0, 2), "q=")) continue;
    refused = parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
  }
  return trim(element.substr(0, semicolon));
}

bool is_json(std::string_view range) {
  constexpr std::string_view suffix = "+json";
  return equal_ignore_case(range, "application/json") ||
         (range.size() > suffix.size() &&
          equal_ignore_case(range.substr(range.size() - suffix.size()), suffix));
}

bool takes_text(std::string_view range) {
  return equal_ignore_case(range, "text/plain") || range == "*/*" || equal_ignore_case(range, "text/*");
}

}  // namespace

bool accepts_only_json(const RequestHead& head) {
  if (!head.has(FieldId::accept)) return false;
  bool json = false;
  for (const Field& field : head.fields) {
    if (field.id != FieldId::accept) continue;
    std::string_view list = field.value;
    std::string_view element;
    while (next_list_element(list, element)) {
      bool refused = false;
      const std::string_view range = media_range(element, refused);
      if (refused) continue;
      if (takes_text(range)) return false;
      json |= is_json(range);
    }
  }
  return json;
}

LocalBody write_local_body(int status, std::string_view detail, std::string_view request_id, bool json,
                           char (&out)[local_body_capacity]) {
  detail = detail.substr(0, max_detail_bytes);
  char* to = out;
  if (!json) {
    to = append(append_status(to, status), " ");
    to = append(to, reason_phrase(status));
    if (!detail.empty()) to = append(to, ": ");
    for (const char byte : detail)
      *to++ = byte >= 0x20 && byte < 0x7F ? byte : '?';
    to = append(to, "\n");
    return {"text/plain; charset=utf-8", static_cast<std::size_t>(to - out)};
  }
  to = append_status(append(to, R"({"status":)"), status);
  to = append(append(to, R"(,"error":")"), reason_phrase(status));
  if (!detail.empty()) to = base::escape_json(detail, append(to, R"(","detail":")"), max_escaped_bytes);
  if (!request_id.empty()) {
    to = base::escape_json(request_id, append(to, R"(","request_id":")"), max_escaped_id_bytes);
  }
  to = append(to, "\"}\n");
  return {"application/json", static_cast<std::size_t>(to - out)};
}

}  // namespace azulb::http
