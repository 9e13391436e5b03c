// The field lines of a head or a trailer section (RFC 9112 section 5), judged byte by byte as they arrive.
#pragma once

#include <cstddef>
#include <cstdint>

#include "azulb/http/defect.hpp"
#include "azulb/http/field.hpp"

namespace azulb::http1 {

enum class ParseStatus : std::uint8_t { need_more, complete, error };

/// Besides the grammar: no tab beside the value of Content-Length and Transfer-Encoding, which parsers read
/// differently. Where parsing of a field section stands, as offsets, so that the bytes may move between
/// calls. However the bytes arrive, none is looked at more than twice.
class FieldSection {
 public:
  struct Limits {
    std::size_t bytes = 0;  // the whole section with its empty line
    std::size_t fields = 0;
  };

  void reset(std::size_t begin) { *this = FieldSection{begin}; }

  /// Goes on over `[base, base + size)`, the same beginning as before and perhaps more. Fields are pushed to
  /// `fields` as they end (and are of use only if this call began with the section's begin); `fields` must
  /// have room for limits.fields.
  ParseStatus parse(const char* base, std::size_t size, const Limits& limits, http::FieldList& fields);

  /// After `complete`: the offset of the byte after the empty line.
  std::size_t end() const { return position_; }
  http::Defect defect() const { return defect_; }

  FieldSection() = default;

 private:
  enum class State : std::uint8_t { line_start, name, value_start, value, line_end, section_end };

  explicit FieldSection(std::size_t begin)
      : begin_(static_cast<std::uint32_t>(begin)), position_(static_cast<std::uint32_t>(begin)) {}
  ParseStatus fail(http::Defect defect) {
    defect_ = defect;
    return ParseStatus::error;
  }

  std::uint32_t begin_ = 0;
  std::uint32_t position_ = 0;  // the next byte to judge
  std::uint32_t name_begin_ = 0;
  std::uint32_t name_end_ = 0;
  std::uint32_t value_begin_ = 0;
  std::uint32_t count_ = 0;
  State state_ = State::line_start;
  http::Defect defect_ = http::Defect::none;
};

}  // namespace azulb::http1
