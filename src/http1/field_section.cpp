#include "azulb/http1/field_section.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "scan.hpp"

namespace azulb::http1 {

using http::Defect;

namespace {

bool is_blank(char byte) {
  return byte == ' ' || byte == '\t';
}

/// Why a byte cannot follow a field name. The name may be empty.
Defect defect_after_name(char byte, bool empty_name) {
  if (byte == ':') return Defect::empty_field_name;
  if (is_blank(byte)) return empty_name ? Defect::obs_fold : Defect::space_before_colon;
  return defect_of(byte, byte == '\r' ? Defect::missing_colon : Defect::bad_field_name);
}

/// A tab beside the value of a field that frames the message is legal (RFC 9110 section 5.5), but known
/// parsers then take "chunked" for something else: refused, as nobody means it well. Everything between colon
/// and CR is looked at.
Defect judge_framing_space(http::FieldId id, const char* after_colon, const char* line_end) {
  const std::string_view raw{after_colon, static_cast<std::size_t>(line_end - after_colon)};
  if (raw.find('\t') == std::string_view::npos) return Defect::none;
  return id == http::FieldId::content_length ? Defect::bad_content_length : Defect::bad_transfer_encoding;
}

http::Field make_field(const char* base, std::size_t name_begin, std::size_t name_end,
                       std::size_t value_begin, const char* value_end) {
  const char* value = base + value_begin;
  while (value_end > value && is_blank(value_end[-1]))
    --value_end;
  const std::string_view name{base + name_begin, name_end - name_begin};
  return {name, {value, static_cast<std::size_t>(value_end - value)}, http::field_id(name)};
}

constexpr std::uint64_t framing_ids =
    http::id_bit(http::FieldId::content_length) | http::id_bit(http::FieldId::transfer_encoding);

bool frames(http::FieldId id) {
  return (http::id_bit(id) & framing_ids) != 0;
}

/// Of a value that is not empty and has been judged: nothing below the space but the tab can be in it.
bool begins_or_ends_blank(const char* value, const char* end) {
  return static_cast<unsigned char>(*value) <= ' ' || static_cast<unsigned char>(end[-1]) <= ' ';
}

bool begins_with(const char* at, const char* end, const char (&two_bytes)[3]) {
  return end - at >= 2 && std::memcmp(at, two_bytes, 2) == 0;
}

struct FieldName {
  const char* end;
  http::FieldId id;
};

/// The name at `at`, and what it is. Its end is `at` when none stands there.
FieldName take_name(const char* at, const char* end) {
#ifdef __SSE2__
  if (end - at > 16) {
    const UsualBytes bytes(at);
    const char* const name_end = at + bytes.count;
    if (*name_end == ':' && bytes.count > 0)
      return {name_end, http::field_id({at, bytes.count}, bytes.folded())};
  }
#endif
  const char* const name_end = skip_token(at, end);
  return {name_end, http::field_id({at, static_cast<std::size_t>(name_end - at)})};
}

/// Pushes the fields of the lines from `at` on that are whole and as nearly all lines are, "Name: value" CRLF
/// without more blanks, up to `most`. Returns where they end: what stands there, right or wrong, is for
/// FieldSection::parse. Apart from it, for the sake of its registers.
[[gnu::noinline]] const char* take_usual_lines(const char* at, const char* end, std::size_t most,
                                               http::FieldList& fields) {
  for (; most > 0 && at < end && *at != '\r'; --most) {
    const auto [name_end, id] = take_name(at, end);
    if (name_end == at || !begins_with(name_end, end, ": ")) break;
    const char* const value = name_end + 2;
    const char* const value_end = skip_value(value, end);
    if (value_end == value || !begins_with(value_end, end, "\r\n")) break;
    if (begins_or_ends_blank(value, value_end)) break;
    const std::string_view name{at, static_cast<std::size_t>(name_end - at)};
    const std::string_view text{value, static_cast<std::size_t>(value_end - value)};
    if (frames(id) && text.find('\t') != std::string_view::npos) break;
    fields.push({.name = name, .value = text, .id = id, .verbatim = true});
    at = value_end + 2;
  }
  return at;
}

}  // namespace

ParseStatus FieldSection::parse(const char* base, std::size_t size, const Limits& limits,
                                http::FieldList& fields) {
  // Bytes past the limit are not looked at: whether they are there must not change the verdict.
  const std::size_t most = begin_ + limits.bytes;
  const char* const end = base + std::min(size, most);
  const char* at = base + position_;
  const auto offset = [base](const char* place) { return static_cast<std::uint32_t>(place - base); };

  while (at < end) {
    switch (state_) {
      case State::line_start:
        if (const std::size_t before = fields.size(); count_ < limits.fields) {
          at = take_usual_lines(at, end, limits.fields - count_, fields);
          count_ += static_cast<std::uint32_t>(fields.size() - before);
        }
        if (at == end) break;
        if (*at == '\r') {
          ++at;
          state_ = State::section_end;
          break;
        }
        if (count_ == limits.fields && http::is_byte(*at, http::class_token))
          return fail(Defect::too_many_fields);
        name_begin_ = offset(at);
        state_ = State::name;
        [[fallthrough]];

      case State::name:
        at = skip_token(at, end);
        if (at == end) break;
        name_end_ = offset(at);
        if (*at != ':' || name_end_ == name_begin_)
          return fail(defect_after_name(*at, name_end_ == name_begin_));
        ++at;
        state_ = State::value_start;
        [[fallthrough]];

      case State::value_start:
        while (at < end && is_blank(*at))
          ++at;
        value_begin_ = offset(at);
        if (at == end) break;
        state_ = State::value;
        [[fallthrough]];

      case State::value:
        at = skip_value(at, end);
        if (at == end) break;
        if (*at != '\r') return fail(defect_of(*at, Defect::control_byte));
        ++at;
        state_ = State::line_end;
        if (at == end) break;
        [[fallthrough]];

      case State::line_end:
        if (*at != '\n') return fail(Defect::bare_cr);
        fields.push(make_field(base, name_begin_, name_end_, value_begin_, at - 1));
        if (const http::FieldId id = fields.fields().back().id; frames(id)) {
          const Defect defect = judge_framing_space(id, base + name_end_ + 1, at - 1);
          if (defect != Defect::none) return fail(defect);
        }
        ++count_;
        ++at;
        state_ = State::line_start;
        break;

      case State::section_end:
        if (*at != '\n') return fail(Defect::bare_cr);
        position_ = offset(at + 1);
        return ParseStatus::complete;
    }
  }
  position_ = offset(at);
  return position_ >= most ? fail(Defect::header_too_large) : ParseStatus::need_more;
}

}  // namespace azulb::http1
