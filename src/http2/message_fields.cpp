#include "azulb/http2/message_fields.hpp"

#include <charconv>

namespace azulb::http2 {

using http::FieldId;

namespace {

constexpr std::uint64_t of_the_connection =
    http::id_bit(FieldId::connection) | http::id_bit(FieldId::keep_alive) |
    http::id_bit(FieldId::proxy_connection) | http::id_bit(FieldId::transfer_encoding) |
    http::id_bit(FieldId::upgrade) | http::id_bit(FieldId::te) | http::id_bit(FieldId::http2_settings);
// Of a handshake that was between azulb and the server (RFC 8441 section 5).
constexpr std::uint64_t of_the_handshake = http::id_bit(FieldId::sec_websocket_accept);

std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

}  // namespace

void MessageFields::clear() {
  fields_.clear();
  text_bytes_ = 0;
}

void MessageFields::add(std::string_view name, std::string_view value, std::uint8_t flags) {
  fields_.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(), flags});
  text_bytes_ += name.size() + value.size();
}

void MessageFields::add(const http::Field& field) {
  // HPACK's table would fill with what never comes again, and lose what does.
  const bool unique = field.id == FieldId::x_request_id;
  add(field.name, field.value, unique ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
}

void MessageFields::add_kept(std::span<const http::Field> fields) {
  for (const http::Field& field : fields) {
    if (field.drop || (http::id_bit(field.id) & (of_the_connection | of_the_handshake)) != 0) continue;
    add(field);
  }
}

void MessageFields::set_response(const http::ResponseHeadOut& head) {
  clear();
  const char* status_end = std::to_chars(status_.data(), status_.data() + status_.size(), head.status).ptr;
  add(":status", {status_.data(), static_cast<std::size_t>(status_end - status_.data())});
  add_kept(head.fields);
  add_kept(head.own);
  bool date = head.date.empty();
  for (const http::Field& field : head.fields)
    date |= field.id == FieldId::date && !field.drop;
  if (!date) add("date", head.date);
  if (head.body == http::BodyKind::length) add_length(head.content_length);
}

void MessageFields::add_length(std::uint64_t length) {
  const char* end = std::to_chars(length_.data(), length_.data() + length_.size(), length).ptr;
  add("content-length", {length_.data(), static_cast<std::size_t>(end - length_.data())});
}

void MessageFields::set_request(const http::RequestHeadOut& head, std::string_view scheme) {
  clear();
  const bool websocket = http::equal_ignore_case(head.upgrade, "websocket");
  add(":method", websocket ? "CONNECT" : head.head->method_name);
  if (websocket) add(":protocol", "websocket");
  add(":scheme", scheme);
  if (!head.host.empty()) add(":authority", head.host);
  add_target(head);
  for (const http::Field& field : head.head->fields) {
    // Of the handshake of RFC 6455 a key has no meaning here (RFC 8441 section 5).
    if (field.drop || (websocket && field.id == FieldId::sec_websocket_key)) continue;
    if ((http::id_bit(field.id) & of_the_connection) == 0) add(field);
  }
  if (head.forwarded != nullptr) {
    std::array<http::Field, http::most_forwarded_fields> forwarded;
    const std::size_t count = list_forwarded(*head.head, *head.forwarded, forwarded_for_, forwarded);
    for (const http::Field& field : std::span(forwarded).first(count))
      add(field);
  }
  add_kept(head.own);
  if (head.expect_continue) add("expect", "100-continue");
  if (head.body == http::BodyKind::length) add_length(head.content_length);
  if (head.te_trailers) add("te", "trailers");
}

/// Path and query as one text, which they are already where they come from one request line.
void MessageFields::add_target(const http::RequestHeadOut& head) {
  const bool one_text = head.query.empty() || head.path.data() + head.path.size() == head.query.data();
  if (head.path_prefix.empty() && one_text) {
    return add(":path", {head.path.data(), head.path.size() + head.query.size()});
  }
  target_.assign(head.path_prefix).append(head.path).append(head.query);
  add(":path", target_);
}

void MessageFields::set_trailers(std::span<const http::Field> trailers) {
  clear();
  add_kept(trailers);
}

}  // namespace azulb::http2
