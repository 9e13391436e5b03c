// Header fields as views into the bytes that the caller holds, and what is known about their names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "azulb/base/assert.hpp"

namespace azulb::http {

/// Field names that some stage decides on, recognised once while parsing. Fewer than 64, so that a set fits
/// one word.
enum class FieldId : std::uint8_t {
  other,
  accept,
  age,
  authorization,
  cache_control,
  connection,
  content_encoding,
  content_length,
  content_range,
  content_type,
  cookie,
  date,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  location,
  max_forwards,
  pragma,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  range,
  referer,
  remote_addr,  // Remote-Addr and REMOTE_ADDR, in any case and with either sign
  retry_after,
  sec_websocket_accept,
  sec_websocket_extensions,
  sec_websocket_key,
  sec_websocket_protocol,
  sec_websocket_version,
  server,
  set_cookie,
  te,
  trailer,
  transfer_encoding,
  /// A name that becomes one of the names above that azulb acts on when '_' is read as '-', such as
  /// X_Forwarded_For or Content_Length. Crystal's HTTP::Headers takes both for the same field, so these never
  /// pass to a server.
  underscore_twin,
  upgrade,
  user_agent,
  www_authenticate,
  x_client_ip,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_other,  // any other name that begins with X-Forwarded-
  x_forwarded_port,
  x_forwarded_proto,
  x_real_ip,
  x_request_id,
  x_ssl_client,  // any name that begins with X-SSL-Client-: what azulb tells of a client's certificate
  count_,
};
static_assert(static_cast<unsigned>(FieldId::count_) <= 64);

/// Recognises a name, case-insensitively. Costs a few nanoseconds.
FieldId field_id(std::string_view name);

/// A name of up to 16 bytes in two words, lower case, zeros behind its end: what a scanner that looks at 16
/// bytes at a time has at hand. In memory order.
struct FoldedName {
  std::uint64_t first;
  std::uint64_t second;
};

/// The same for a name of letters, digits and "-" whose folded form is known; in half the time.
FieldId field_id(std::string_view name, FoldedName folded);

/// A set of FieldIds in one word.
constexpr std::uint64_t id_bit(FieldId id) {
  return std::uint64_t{1} << static_cast<unsigned>(id);
}

struct Field {
  std::string_view name;   // in the case it came in
  std::string_view value;  // without surrounding whitespace
  FieldId id = FieldId::other;
  bool drop = false;  // marked by hop_by_hop.hpp, forwarded.hpp or an exchange: the head writer leaves it out
  /// The bytes that the views point into hold this line just as it would be written: name, ": ", value, CRLF.
  bool verbatim = false;
};

/// A field of our own, recognised.
inline Field make_field(std::string_view name, std::string_view value) {
  return Field{name, value, field_id(name), false};
}

/// Room for a fixed number of fields, allocated once (per worker, or per connection that keeps a head).
/// Cleared and filled again for each message.
class FieldList {
 public:
  explicit FieldList(std::size_t capacity)
      : fields_(std::make_unique<Field[]>(capacity)), capacity_(capacity) {}

  std::size_t capacity() const { return capacity_; }
  /// Room for at least so many; what was in the list is gone if it grows.
  void grow(std::size_t capacity) {
    if (capacity <= capacity_) return;
    *this = FieldList(capacity);
  }
  std::size_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }
  void clear() {
    size_ = 0;
    present_ = 0;
  }
  /// The caller checks full() first. Of each field of each head: a call would cost as much again.
  [[gnu::always_inline]] void push(const Field& field) {
    AZULB_ASSERT(size_ < capacity_);
    fields_[size_++] = field;
    present_ |= id_bit(field.id);
  }
  std::span<Field> fields() { return {fields_.get(), size_}; }
  std::span<const Field> fields() const { return {fields_.get(), size_}; }
  /// The ids that occur, as id_bit()s.
  std::uint64_t present() const { return present_; }

 private:
  std::unique_ptr<Field[]> fields_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::uint64_t present_ = 0;
};

/// ASCII only; RFC 9110 section 5.1 (names) and wherever tokens compare without case.
bool equal_ignore_case(std::string_view left, std::string_view right);
/// RFC 9110 section 5.6.2: not empty, only tchar.
bool is_token(std::string_view text);
bool is_token_byte(unsigned char byte);
/// A legal field value: no control bytes but HTAB (RFC 9110 section 5.5).
bool is_field_value(std::string_view text);
/// Without surrounding spaces and tabs.
std::string_view trim(std::string_view text);

/// Takes the next element off a comma-separated list (RFC 9110 section 5.6.1), trimmed; empty elements are
/// skipped. False when the list is used up. Knows no quoted strings: only for lists of tokens.
bool next_list_element(std::string_view& list, std::string_view& element);
/// Whether a list of tokens contains `token`, without case.
bool list_contains(std::string_view list, std::string_view token);

/// The first field of that id, or nullptr.
const Field* find_field(std::span<const Field> fields, FieldId id);
/// The first field of that name (any case), or nullptr.
const Field* find_field(std::span<const Field> fields, std::string_view name);

}  // namespace azulb::http
