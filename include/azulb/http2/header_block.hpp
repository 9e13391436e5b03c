// One header block as it is decoded: its fields are judged by RFC 9113 section 8 and become the head that
// HTTP/1 would have brought, so that everything behind sees one kind of request.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "azulb/base/buffer.hpp"
#include "azulb/http/defect.hpp"
#include "azulb/http/field.hpp"
#include "azulb/http/head.hpp"

namespace azulb::http2 {

/// The listener's limits; measured as HTTP/1 would: a field is its name, its value and four bytes.
struct HeadLimits {
  std::size_t request_line_bytes = 8 * 1024;
  std::size_t header_bytes = 32 * 1024;
  std::size_t fields = 100;
};

/// Limits on a trailer section; the same as HTTP/1's.
inline constexpr std::size_t max_trailer_bytes = 8 * 1024;
inline constexpr std::size_t max_trailer_fields = 64;

/// Limits on a server's head; the same as HTTP/1's.
inline constexpr HeadLimits response_head_limits{
    .request_line_bytes = 0, .header_bytes = 64 * 1024, .fields = 256};

/// Fields that `finish_request` adds to those of the client.
inline constexpr std::size_t most_added_fields = 5;

/// What a request is to become, besides its fields.
struct RequestShape {
  bool ended = false;              // END_STREAM: no body follows
  std::string_view websocket_key;  // for the server, if it is a WebSocket
};

/// Holds nothing between blocks. One per connection, as blocks don't interleave; a block may come in parts.
class HeaderBlock {
 public:
  void begin_request(const HeadLimits& limits);
  void begin_response();
  void begin_trailers();
  void clear();

  /// The next field, with the name as it came.
  void add(std::string_view name, std::string_view value);
  /// The block unfolds to far more than the limits, whatever is done with it: the client means harm.
  bool monstrous() const { return decoded_bytes_ > monstrous_bytes_; }

  /// After the last field. `none`, or why there is no such request. `head` and `fields` (with room for
  /// limits.fields + most_added_fields) then show into `text()`. A body of unknown length is said with
  /// "transfer-encoding: chunked", a WebSocket (RFC 8441) with GET, "upgrade" and `websocket_key`.
  http::Defect finish_request(const RequestShape& shape, http::FieldList& fields, http::RequestHead& head);
  /// As above, of a server's answer; a limit that is broken makes it malformed, too. `fields` needs room for
  /// response_head_limits.fields + most_added_fields.
  http::Defect finish_response(http::FieldList& fields, http::ResponseHead& head);
  /// `fields` needs room for max_trailer_fields.
  http::Defect finish_trailers(http::FieldList& fields);

  /// With a defect: the message is malformed (RFC 9113 section 8.1.1) and its stream to be reset; else the
  /// client gets an answer that says what is wrong.
  bool malformed() const { return malformed_; }
  bool websocket() const { return websocket_; }
  /// Before `finish_request`: it may become one.
  bool names_protocol() const { return pseudo_[protocol].present; }
  std::string_view text() const { return text_.text(); }

 private:
  enum class Kind : std::uint8_t { request, response, trailers };
  enum Pseudo : std::uint8_t { method, scheme, authority, path, protocol, status, pseudo_count };
  struct Slice {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
    bool present = false;
  };
  struct Entry {
    std::uint32_t name_at;
    std::uint32_t name_size;
    std::uint32_t value_at;
    std::uint32_t value_size;
    http::FieldId id;
  };

  void add_pseudo(std::string_view name, std::string_view value);
  void add_field(std::string_view name, std::string_view value);
  void add_cookie(std::string_view name, std::string_view value);
  void push(std::string_view name, std::string_view value, http::FieldId id);
  std::uint32_t put(std::string_view text);
  void fail(http::Defect defect, bool malformed);
  void judge_pseudo_fields();
  void judge_host();
  bool has_field(http::FieldId id);
  void join_cookies();
  std::string_view view(const Slice& slice) const { return text().substr(slice.at, slice.size); }
  std::span<Entry> entries();
  void list_fields(http::FieldList& fields);

  base::Buffer text_;
  base::Buffer entries_;
  base::Buffer cookies_;  // all but the first
  std::array<Slice, pseudo_count> pseudo_;
  HeadLimits limits_;
  std::size_t field_bytes_ = 0;
  std::size_t field_count_ = 0;
  std::size_t decoded_bytes_ = 0;
  std::size_t monstrous_bytes_ = 0;
  std::uint32_t cookie_index_ = 0;  // of the first
  bool has_cookie_ = false;
  Kind kind_ = Kind::request;
  bool fields_begun_ = false;
  bool malformed_ = false;
  bool websocket_ = false;
  http::Defect defect_ = http::Defect::none;
};

}  // namespace azulb::http2
