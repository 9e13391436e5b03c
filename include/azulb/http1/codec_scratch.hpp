// What all HTTP/1 codecs of one worker share, since only one of them parses at a time.
#pragma once

#include "azulb/http/field.hpp"
#include "azulb/http1/chunked_decoder.hpp"
#include "azulb/http1/head_parser.hpp"

namespace azulb::http1 {

struct CodecScratch {
  explicit CodecScratch(std::size_t fields_limit) : fields(fields_limit), trailers(max_trailer_fields) {}
  void grow(std::size_t fields_limit) { fields.grow(fields_limit); }
  http::FieldList fields;
  http::FieldList trailers;
};

/// Limits on a server's response head; a client's are the listener's (reference.toml, limit).
inline constexpr HeadLimits response_head_limits{
    .start_line_bytes = 8 * 1024, .header_bytes = 64 * 1024, .fields = 256};

}  // namespace azulb::http1
