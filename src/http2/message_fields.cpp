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

void MessageFields::add(std::string_view name, std::string_view value) {
  fields_.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  text_bytes_ += name.size() + value.size();
}

void MessageFields::add_kept(std::span<const http::Field> fields) {
  for (const http::Field& field : fields) {
    if (field.drop || (http::id_bit(field.id) & (of_the_connection | of_the_handshake)) != 0) continue;
    add(field.name, field.value);
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
  if (head.body != http::BodyKind::length) return;
  const char* length_end =
      std::to_chars(length_.data(), length_.data() + length_.size(), head.content_length).ptr;
  add("content-length", {length_.data(), static_cast<std::size_t>(length_end - length_.data())});
}

void MessageFields::set_trailers(std::span<const http::Field> trailers) {
  clear();
  add_kept(trailers);
}

}  // namespace azulb::http2
