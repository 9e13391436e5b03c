// Decodes a chunked body (RFC 9112 section 7.1) where it lies: no copies, any split of the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "azulb/http/defect.hpp"
#include "azulb/http/field.hpp"
#include "azulb/http1/field_section.hpp"

namespace azulb::http1 {

/// Limits on what a chunked body may cost besides its data.
inline constexpr std::size_t max_chunk_line_bytes = 1024;            // one size line with its extensions
inline constexpr std::size_t max_chunk_extension_bytes = 16 * 1024;  // all extensions of a message
inline constexpr std::size_t max_trailer_bytes = 8 * 1024;           // trailer section with its empty line
inline constexpr std::size_t max_trailer_fields = 64;

/// Feed it the unconsumed bytes until it says need_more, done or error:
///
///   for (;;) {
///     auto step = decoder.next(bytes, trailers);
///     bytes.remove_prefix(step.consumed);
///     data      -> pass step.data on (it lies inside the bytes consumed), go on
///     need_more -> keep what is left of bytes (only ever the start of a trailer section), read on
///     done      -> bytes is what follows the message; trailers holds the trailer fields, views into the
///     bytes error     -> decoder.defect()
///   }
class ChunkedDecoder {
 public:
  enum class Event : std::uint8_t { need_more, data, done, error };
  struct Step {
    Event event = Event::need_more;
    std::size_t consumed = 0;  // with `done`: through the empty line of the trailer section
    std::string_view data;     // with `data`: never empty
  };

  /// `trailers` needs room for max_trailer_fields and is cleared; it counts only with `done`.
  Step next(std::string_view bytes, http::FieldList& trailers);

  /// Bytes of the current chunk's data not yet seen: the caller may splice as many past the decoder and say
  /// skip().
  std::uint64_t chunk_remaining() const { return state_ == State::data ? remaining_ : 0; }
  /// `size_bytes` of data (at most chunk_remaining()) went another way.
  void skip(std::uint64_t size_bytes);

  bool done() const { return state_ == State::finished; }
  http::Defect defect() const { return defect_; }
  void reset() { *this = ChunkedDecoder{}; }

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension_start,
    extension_name,
    extension_value_start,
    extension_value,
    extension_quoted,
    extension_end,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers,
    finished,
    failed
  };

  http::Defect size_line(std::string_view bytes, std::size_t& at);
  http::Defect extension(char byte);
  Step trailer_section(std::string_view bytes, std::size_t at, http::FieldList& trailers);
  Step fail(http::Defect defect);

  std::uint64_t remaining_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::uint32_t line_bytes_ = 0;
  std::uint8_t digits_ = 0;
  bool trailers_begun_ = false;
  State state_ = State::size_first;
  http::Defect defect_ = http::Defect::none;
  FieldSection section_;
};

}  // namespace azulb::http1
