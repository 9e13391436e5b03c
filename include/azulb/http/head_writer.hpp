// Writes HTTP/1.1 heads: views in, one contiguous run of bytes out, each head once. Allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "azulb/http/forwarded.hpp"
#include "azulb/http/framing.hpp"
#include "azulb/http/head.hpp"

namespace azulb::http {

struct RequestHeadOut {
  const RequestHead* head = nullptr;           // its fields in order, without the marked ones
  std::string_view path_prefix;                // before the path; mostly empty
  std::string_view path;                       // begins with "/", or "*"
  std::string_view query;                      // with "?", or empty
  std::string_view host;                       // value of Host; written even when empty
  const ForwardedValues* forwarded = nullptr;  // nullptr: none of azulb's own fields (a health check)
  std::span<const Field> own;                  // written after the kept fields
  BodyKind body = BodyKind::none;              // none: neither Content-Length nor Transfer-Encoding
  std::uint64_t content_length = 0;
  bool te_trailers = false;      // "TE: trailers" with "Connection: TE"
  bool expect_continue = false;  // "Expect: 100-continue"
  std::string_view upgrade;      // not empty: "Connection: Upgrade" and "Upgrade: <upgrade>"
  bool close = false;            // "Connection: close"
};

/// Writes the head to `out`. Returns its size; when that is over `capacity`, nothing in `out` is of use and
/// the caller tries again with as much room. A field marked `drop` is not written. HTTP/1.1, origin-form.
std::size_t write_request_head(const RequestHeadOut& request, char* out, std::size_t capacity);

struct ResponseHeadOut {
  int status = 200;
  std::string_view reason;        // as the server sent it; may be empty
  std::span<const Field> fields;  // in order, without the marked ones
  std::span<const Field> own;
  std::string_view date;           // IMF-fixdate; empty: not written, for the fields have a Date
  BodyKind body = BodyKind::none;  // length and chunked are written; none and until_close write neither
  std::uint64_t content_length = 0;
  std::string_view upgrade;  // for a 101: "Connection: Upgrade" and "Upgrade: <upgrade>"
  bool close = false;        // "Connection: close"
  bool keep_alive = false;   // "Connection: keep-alive", for an HTTP/1.0 client whose connection stays
};

/// As write_request_head.
std::size_t write_response_head(const ResponseHeadOut& response, char* out, std::size_t capacity);

/// "Name: value\r\n" for those not marked, then the empty line: what ends a chunked body after "0\r\n". As
/// above.
std::size_t write_trailers(std::span<const Field> trailers, char* out, std::size_t capacity);

/// "<hex>\r\n" for a chunk; at most 18 bytes. Returns the length.
std::size_t write_chunk_size(std::uint64_t size_bytes, char* out);

}  // namespace azulb::http
