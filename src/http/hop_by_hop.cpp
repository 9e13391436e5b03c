#include "azulb/http/hop_by_hop.hpp"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace azulb::http {
namespace {

constexpr std::uint64_t ids(std::initializer_list<FieldId> list) {
  std::uint64_t set = 0;
  for (const FieldId id : list)
    set |= id_bit(id);
  return set;
}

/// Written anew or ending here, in either direction.
constexpr std::uint64_t dropped_always =
    ids({FieldId::connection, FieldId::keep_alive, FieldId::proxy_connection, FieldId::te,
         FieldId::transfer_encoding, FieldId::content_length, FieldId::upgrade, FieldId::http2_settings});
constexpr std::uint64_t dropped_from_requests =
    dropped_always | ids({FieldId::host, FieldId::expect, FieldId::underscore_twin});

/// What Connection cannot take away: without these a message would mean something else.
constexpr std::uint64_t never_named_away = ids({FieldId::host,
                                                FieldId::authorization,
                                                FieldId::cache_control,
                                                FieldId::content_encoding,
                                                FieldId::content_length,
                                                FieldId::content_range,
                                                FieldId::content_type,
                                                FieldId::cookie,
                                                FieldId::date,
                                                FieldId::expect,
                                                FieldId::location,
                                                FieldId::pragma,
                                                FieldId::range,
                                                FieldId::retry_after,
                                                FieldId::sec_websocket_accept,
                                                FieldId::sec_websocket_extensions,
                                                FieldId::sec_websocket_key,
                                                FieldId::sec_websocket_protocol,
                                                FieldId::sec_websocket_version,
                                                FieldId::set_cookie,
                                                FieldId::forwarded,
                                                FieldId::www_authenticate,
                                                FieldId::x_client_ip,
                                                FieldId::x_forwarded_for,
                                                FieldId::x_forwarded_host,
                                                FieldId::x_forwarded_other,
                                                FieldId::x_forwarded_port,
                                                FieldId::x_forwarded_proto,
                                                FieldId::x_real_ip,
                                                FieldId::x_request_id,
                                                FieldId::x_ssl_client});

/// Marks the fields that one Connection value names. Elements that need no look at the fields are passed
/// over, and the work is bounded: no more elements are looked up than a sane message has.
[[gnu::noinline]] void mark_named(std::span<Field> fields, std::string_view connection, int& lookups_left) {
  std::string_view element;
  while (lookups_left > 0 && next_list_element(connection, element)) {
    if (equal_ignore_case(element, "close") || equal_ignore_case(element, "keep-alive") ||
        equal_ignore_case(element, "upgrade") || equal_ignore_case(element, "te")) {
      continue;
    }
    --lookups_left;
    for (Field& field : fields) {
      if ((id_bit(field.id) & never_named_away) == 0 && equal_ignore_case(field.name, element))
        field.drop = true;
    }
  }
}

void mark(std::span<Field> fields, std::uint64_t present, std::uint64_t dropped) {
  if ((present & id_bit(FieldId::transfer_encoding)) == 0) dropped |= id_bit(FieldId::trailer);
  if ((present & dropped) == 0) return;
  for (Field& field : fields)
    field.drop |= (id_bit(field.id) & dropped) != 0;
  if ((present & id_bit(FieldId::connection)) == 0) return;
  int lookups_left = 128;
  for (const Field& field : fields) {
    if (field.id == FieldId::connection) mark_named(fields, field.value, lookups_left);
  }
}

constexpr std::uint64_t not_in_trailers = dropped_from_requests | ids({FieldId::accept,
                                                                       FieldId::age,
                                                                       FieldId::authorization,
                                                                       FieldId::cache_control,
                                                                       FieldId::content_encoding,
                                                                       FieldId::content_range,
                                                                       FieldId::content_type,
                                                                       FieldId::cookie,
                                                                       FieldId::date,
                                                                       FieldId::forwarded,
                                                                       FieldId::location,
                                                                       FieldId::max_forwards,
                                                                       FieldId::pragma,
                                                                       FieldId::proxy_authenticate,
                                                                       FieldId::range,
                                                                       FieldId::proxy_authorization,
                                                                       FieldId::remote_addr,
                                                                       FieldId::retry_after,
                                                                       FieldId::sec_websocket_accept,
                                                                       FieldId::sec_websocket_extensions,
                                                                       FieldId::sec_websocket_key,
                                                                       FieldId::sec_websocket_protocol,
                                                                       FieldId::sec_websocket_version,
                                                                       FieldId::set_cookie,
                                                                       FieldId::trailer,
                                                                       FieldId::www_authenticate,
                                                                       FieldId::x_client_ip,
                                                                       FieldId::x_forwarded_for,
                                                                       FieldId::x_forwarded_host,
                                                                       FieldId::x_forwarded_other,
                                                                       FieldId::x_forwarded_port,
                                                                       FieldId::x_forwarded_proto,
                                                                       FieldId::x_real_ip,
                                                                       FieldId::x_request_id,
                                                                       FieldId::x_ssl_client});

bool begins_with(std::string_view name, std::string_view prefix) {
  return name.size() >= prefix.size() && equal_ignore_case(name.substr(0, prefix.size()), prefix);
}

/// Content-Language, Content-Location and the like; a digest is what trailers are for (RFC 9530).
bool names_content(std::string_view name) {
  return begins_with(name, "content-") && !equal_ignore_case(name, "content-digest") &&
         !equal_ignore_case(name, "content-md5");
}

}  // namespace

void mark_hop_by_hop(RequestHead& head) {
  mark(head.fields, head.present, dropped_from_requests);
}

void mark_hop_by_hop(ResponseHead& head) {
  mark(head.fields, head.present, dropped_always);
}

bool trailer_may_pass(const Field& field) {
  if ((id_bit(field.id) & not_in_trailers) != 0) return false;
  // Conditions and families that no stage needs an id for.
  return !begins_with(field.name, "if-") && !begins_with(field.name, "proxy-") &&
         !names_content(field.name) && !begins_with(field.name, "accept-") &&
         !equal_ignore_case(field.name, "vary") && !equal_ignore_case(field.name, "expires") &&
         !equal_ignore_case(field.name, "warning");
}

void mark_trailers(std::span<Field> trailers) {
  for (Field& field : trailers) {
    if (!trailer_may_pass(field)) field.drop = true;
  }
}

}  // namespace azulb::http
