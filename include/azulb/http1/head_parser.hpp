// Parses an HTTP/1 head in one strict pass (RFC 9112 sections 2 to 5): every byte that is accepted has been
// judged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "azulb/http/defect.hpp"
#include "azulb/http/field.hpp"
#include "azulb/http/head.hpp"
#include "azulb/http1/field_section.hpp"

namespace azulb::http1 {

struct HeadLimits {
  std::size_t start_line_bytes = 8 * 1024;  // request or status line without CRLF
  std::size_t header_bytes = 32 * 1024;     // field lines with their CRLFs, and the empty line
  std::size_t fields = 100;
};

/// Parses one head after another. The caller gives all bytes from the head's first on, contiguous; after
/// `need_more` it keeps them and calls again with the same bytes and more after them (they may have moved).
/// Errors are found at the first byte that is wrong, whether the head ends or not. Work is linear in the
/// bytes, however they are split.
///
///   parser.parse_request(bytes, limits, fields, head)
///     need_more -> keep the bytes, read on
///     complete  -> head is filled, views point into bytes; parser.head_length() bytes are used up;
///     parser.reset() for the next error     -> parser.defect() says why; the connection is of no more use
///
/// After `complete` and `error` reset() comes before the next parse. Small (about 80 bytes), no resources:
/// one per connection. `fields` can be shared by all connections of a worker: its contents matter only until
/// the next parse, and its capacity must be at least limits.fields.
class HeadParser {
 public:
  /// One CRLF before the request line is taken as a mistake of an old client and skipped (RFC 9112
  /// section 2.2); a second one is an error.
  ParseStatus parse_request(std::string_view bytes, const HeadLimits& limits, http::FieldList& fields,
                            http::RequestHead& head);

  /// Status 100 to 599. The reason may be empty, the space before it may not be missing (RFC 9112 section 4):
  /// Crystal's server and nginx always write it.
  ParseStatus parse_response(std::string_view bytes, const HeadLimits& limits, http::FieldList& fields,
                             http::ResponseHead& head);

  /// After `complete`: bytes of the head with its empty line (and a CRLF that was skipped before it).
  std::size_t head_length() const { return section_.end(); }
  http::Defect defect() const { return defect_; }
  /// Whether a byte of a head has been seen since reset(); false means the connection is idle between
  /// messages.
  bool started() const { return position_ > 0; }
  void reset() { *this = HeadParser{}; }

 private:
  enum class State : std::uint8_t {
    start,
    empty_line_lf,
    method,
    target,
    version,
    status,
    reason,
    line_lf,
    fields
  };

  ParseStatus request_line(const char* base, std::size_t size, const HeadLimits& limits);
  ParseStatus status_line(const char* base, std::size_t size, const HeadLimits& limits);
  /// A whole line of HTTP/1.1 without fault, as nearly all are, in one go. False, with nothing changed, for
  /// any other: then the states above say what it is.
  bool take_usual_request_line(const char* base, std::size_t size, const HeadLimits& limits);
  bool take_usual_status_line(const char* base, std::size_t size, const HeadLimits& limits);
  void begin_fields(std::uint32_t position);
  ParseStatus fields(const char* base, std::size_t size, const HeadLimits& limits, http::FieldList& fields);
  ParseStatus fail(http::Defect defect) {
    defect_ = defect;
    return ParseStatus::error;
  }

  std::uint32_t position_ = 0;      // the next byte to judge
  std::uint32_t line_begin_ = 0;    // of the start line
  std::uint32_t token_begin_ = 0;   // of the token in work
  std::uint32_t first_end_ = 0;     // request: end of the method
  std::uint32_t second_begin_ = 0;  // request: target; response: reason
  std::uint32_t second_end_ = 0;
  std::uint16_t status_ = 0;
  std::uint8_t version_minor_ = 0;
  State state_ = State::start;
  http::Defect defect_ = http::Defect::none;
  FieldSection section_;
};

}  // namespace azulb::http1
