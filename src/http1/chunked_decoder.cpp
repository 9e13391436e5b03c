#include "azulb/http1/chunked_decoder.hpp"

#include <algorithm>
#include <limits>

#include "azulb/base/assert.hpp"
#include "azulb/http/bytes.hpp"
#include "scan.hpp"

namespace azulb::http1 {

using http::Defect;

namespace {
constexpr std::uint8_t max_size_digits = 16;
}

ChunkedDecoder::Step ChunkedDecoder::fail(Defect defect) {
  defect_ = defect;
  state_ = State::failed;
  return {Event::error, 0, {}};
}

ChunkedDecoder::Step ChunkedDecoder::next(std::string_view bytes, http::FieldList& trailers) {
  AZULB_ASSERT(state_ != State::finished && state_ != State::failed);
  std::size_t at = 0;
  while (at < bytes.size()) {
    switch (state_) {
      case State::data: {
        const std::uint64_t available = bytes.size() - at;
        const auto length = static_cast<std::size_t>(std::min(remaining_, available));
        skip(length);
        return {Event::data, at + length, bytes.substr(at, length)};
      }
      case State::data_cr:
        if (bytes[at++] != '\r') return fail(Defect::bad_chunk_end);
        state_ = State::data_lf;
        break;
      case State::data_lf:
        if (bytes[at++] != '\n') return fail(Defect::bad_chunk_end);
        state_ = State::size_first;
        break;
      case State::trailers:
        return trailer_section(bytes, at, trailers);
      default:
        if (const Defect defect = size_line(bytes, at); defect != Defect::none) return fail(defect);
        break;
    }
  }
  return {Event::need_more, at, {}};
}

void ChunkedDecoder::skip(std::uint64_t size_bytes) {
  AZULB_ASSERT(state_ == State::data && size_bytes <= remaining_);
  remaining_ -= size_bytes;
  if (remaining_ == 0) state_ = State::data_cr;
}

/// One byte of "1*HEXDIG [chunk-ext] CRLF".
Defect ChunkedDecoder::size_line(std::string_view bytes, std::size_t& at) {
  const char byte = bytes[at++];
  if (state_ == State::size_lf) {
    if (byte != '\n') return Defect::bare_cr;
    if (remaining_ > 0) {
      state_ = State::data;
    } else {
      section_.reset(0);
      state_ = State::trailers;
    }
    return Defect::none;
  }
  if (state_ == State::size_first) {
    remaining_ = 0;
    digits_ = 0;
    line_bytes_ = 0;
    state_ = State::size;
  }
  if (++line_bytes_ > max_chunk_line_bytes && byte != '\r') return Defect::chunk_extension_too_long;

  if (state_ == State::size) {
    if (const int digit = http::hex_value(byte); digit >= 0) {
      if (++digits_ > max_size_digits) return Defect::chunk_too_large;
      remaining_ = remaining_ * 16 + static_cast<unsigned>(digit);
      constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
      return remaining_ <= most ? Defect::none : Defect::chunk_too_large;
    }
    if (digits_ == 0 || (byte != '\r' && byte != ';')) return defect_of(byte, Defect::bad_chunk_size);
    state_ = byte == '\r' ? State::size_lf : State::extension_start;
    return Defect::none;
  }
  return extension(byte);
}

/// chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ), without the "bad" whitespace that RFC 9112
/// section 7.1.1 has and without backslashes. Nothing of it is used, but where it ends must not be open to a
/// second reading, and others read those differently.
Defect ChunkedDecoder::extension(char byte) {
  if (++extension_bytes_ > max_chunk_extension_bytes) return Defect::chunk_extension_too_long;
  const bool token = http::is_byte(byte, http::class_token);
  const Defect wrong = defect_of(byte, Defect::bad_chunk_extension);
  const auto end_of_extension = [&] {
    if (byte == '\r')
      state_ = State::size_lf;
    else if (byte == ';')
      state_ = State::extension_start;
    else
      return wrong;
    return Defect::none;
  };
  switch (state_) {
    case State::extension_start:
      state_ = State::extension_name;
      return token ? Defect::none : wrong;
    case State::extension_name:
      if (token) return Defect::none;
      if (byte != '=') return end_of_extension();
      state_ = State::extension_value_start;
      return Defect::none;
    case State::extension_value_start:
      state_ = byte == '"' ? State::extension_quoted : State::extension_value;
      return token || byte == '"' ? Defect::none : wrong;
    case State::extension_value:
      return token ? Defect::none : end_of_extension();
    case State::extension_quoted:
      if (byte == '"') state_ = State::extension_end;
      return http::is_byte(byte, http::class_value) && byte != '\\' ? Defect::none : wrong;
    default:
      return end_of_extension();
  }
}

ChunkedDecoder::Step ChunkedDecoder::trailer_section(std::string_view bytes, std::size_t at,
                                                     http::FieldList& trailers) {
  constexpr FieldSection::Limits limits{max_trailer_bytes, max_trailer_fields};
  const std::string_view section = bytes.substr(at);
  trailers.clear();
  const bool whole = !trailers_begun_;
  trailers_begun_ = true;
  switch (section_.parse(section.data(), section.size(), limits, trailers)) {
    case ParseStatus::need_more:
      return {Event::need_more, at, {}};
    case ParseStatus::error: {
      const Defect defect = section_.defect();
      return fail(defect == Defect::header_too_large ? Defect::trailer_too_large : defect);
    }
    case ParseStatus::complete:
      break;
  }
  const std::size_t length = section_.end();
  if (!whole) {
    // Trailers of earlier calls are not in the list: once more in one go.
    trailers.clear();
    section_.reset(0);
    section_.parse(section.data(), length, limits, trailers);
  }
  state_ = State::finished;
  return {Event::done, at + length, {}};
}

}  // namespace azulb::http1
