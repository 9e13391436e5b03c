#include "azulb/http1/head_parser.hpp"

#include <algorithm>
#include <cstring>

#include "azulb/base/assert.hpp"
#include "scan.hpp"

namespace azulb::http1 {

using http::Defect;

namespace {

constexpr std::string_view version_pattern = "HTTP/0.0";  // "0" stands for a digit
constexpr std::string_view status_pattern = "HTTP/0.0 000 ";

/// How many of the bytes fit the pattern, at most all of it.
std::size_t match(const char* at, const char* end, std::string_view pattern) {
  constexpr std::string_view usual = "HTTP/1.1";  // in one comparison
  const std::size_t most = std::min(pattern.size(), static_cast<std::size_t>(end - at));
  std::size_t matched = 0;
  if (most >= usual.size() && std::memcmp(at, usual.data(), usual.size()) == 0) matched = usual.size();
  while (matched < most) {
    const char wanted = pattern[matched];
    if (wanted == '0' ? !http::is_digit(at[matched]) : at[matched] != wanted) break;
    ++matched;
  }
  return matched;
}

std::string_view view(const char* base, std::size_t begin, std::size_t end) {
  return {base + begin, end - begin};
}

std::uint8_t minor_of(char digit) {
  return digit == '0' ? 0 : 1;
}

}  // namespace

ParseStatus HeadParser::parse_request(std::string_view bytes, const HeadLimits& limits,
                                      http::FieldList& fields, http::RequestHead& head) {
  const bool whole = position_ == 0;
  fields.clear();
  if (state_ != State::fields) {
    const ParseStatus status = request_line(bytes.data(), bytes.size(), limits);
    if (status != ParseStatus::complete) return status;
  }
  const ParseStatus status = this->fields(bytes.data(), bytes.size(), limits, fields);
  if (status != ParseStatus::complete) return status;
  if (!whole) {
    // The fields of earlier calls are not in the list: now that the head is known to be good, once more in
    // one go.
    *this = HeadParser{};
    return parse_request(bytes, limits, fields, head);
  }
  head.method_name = view(bytes.data(), line_begin_, first_end_);
  head.method = http::method_of(head.method_name);
  head.target = view(bytes.data(), second_begin_, second_end_);
  head.version_minor = version_minor_;
  head.fields = fields.fields();
  head.present = fields.present();
  return ParseStatus::complete;
}

ParseStatus HeadParser::parse_response(std::string_view bytes, const HeadLimits& limits,
                                       http::FieldList& fields, http::ResponseHead& head) {
  const bool whole = position_ == 0;
  fields.clear();
  if (state_ != State::fields) {
    const ParseStatus status = status_line(bytes.data(), bytes.size(), limits);
    if (status != ParseStatus::complete) return status;
  }
  const ParseStatus status = this->fields(bytes.data(), bytes.size(), limits, fields);
  if (status != ParseStatus::complete) return status;
  if (!whole) {
    *this = HeadParser{};
    return parse_response(bytes, limits, fields, head);
  }
  head.status = status_;
  head.reason = view(bytes.data(), second_begin_, second_end_);
  head.version_minor = version_minor_;
  head.fields = fields.fields();
  head.present = fields.present();
  return ParseStatus::complete;
}

bool HeadParser::take_usual_request_line(const char* base, std::size_t size, const HeadLimits& limits) {
  constexpr std::string_view rest = " HTTP/1.1\r\n";
  const char* const end = base + std::min(size, limits.start_line_bytes + 1);
  const char* const method_end = skip_token(base, end);
  if (method_end == base || method_end == end || *method_end != ' ') return false;
  const char* const target = method_end + 1;
  const char* const target_end = skip_target(target, end);
  if (target_end == target || static_cast<std::size_t>(end - target_end) < rest.size()) return false;
  if (std::memcmp(target_end, rest.data(), rest.size()) != 0) return false;
  const auto offset = [base](const char* place) { return static_cast<std::uint32_t>(place - base); };
  first_end_ = offset(method_end);
  second_begin_ = offset(target);
  second_end_ = offset(target_end);
  version_minor_ = 1;
  begin_fields(offset(target_end) + static_cast<std::uint32_t>(rest.size()));
  return true;
}

void HeadParser::begin_fields(std::uint32_t position) {
  position_ = position;
  section_.reset(position);
  state_ = State::fields;
}

ParseStatus HeadParser::request_line(const char* base, std::size_t size, const HeadLimits& limits) {
  if (position_ == 0 && take_usual_request_line(base, size, limits)) return ParseStatus::complete;
  const char* at = base + position_;
  const char* end = base + size;
  // As far as a line within the limit, with its CR, can reach; bytes past it must not change the verdict.
  const auto reach = [&] { return base + std::min(size, line_begin_ + limits.start_line_bytes + 1); };
  const auto offset = [base](const char* place) { return static_cast<std::uint32_t>(place - base); };
  if (state_ != State::line_lf) end = reach();  // the LF is beyond the line's limit

  while (at < end) {
    switch (state_) {
      case State::start:
        if (*at == '\r') {
          if (line_begin_ > 0) return fail(Defect::empty_line);
          ++at;
          state_ = State::empty_line_lf;
          break;
        }
        state_ = State::method;
        break;

      case State::empty_line_lf:
        if (*at != '\n') return fail(Defect::bare_cr);
        ++at;
        line_begin_ = offset(at);
        end = reach();
        state_ = State::start;
        break;

      case State::method:
        at = skip_token(at, end);
        if (at == end) break;
        first_end_ = offset(at);
        if (*at != ' ' || first_end_ == line_begin_) return fail(defect_of(*at, Defect::bad_method));
        ++at;
        second_begin_ = offset(at);
        state_ = State::target;
        [[fallthrough]];

      case State::target:
        at = skip_target(at, end);
        if (at == end) break;
        second_end_ = offset(at);
        // "GET /" CRLF is HTTP/0.9.
        if (*at != ' ') return fail(defect_of(*at, *at == '\r' ? Defect::bad_version : Defect::bad_target));
        if (second_end_ == second_begin_) return fail(Defect::bad_target);
        ++at;
        token_begin_ = offset(at);
        state_ = State::version;
        [[fallthrough]];

      case State::version: {
        const char* const version = base + token_begin_;
        const std::size_t matched = match(version, end, version_pattern);
        at = version + matched;
        if (at == end) break;
        if (matched < version_pattern.size()) return fail(defect_of(*at, Defect::bad_version));
        if (version[5] != '1') return fail(Defect::unsupported_version);
        version_minor_ = minor_of(version[7]);
        if (*at != '\r') return fail(defect_of(*at, Defect::bad_version));
        ++at;
        state_ = State::line_lf;
        end = base + size;
        break;
      }

      case State::line_lf:
        if (*at != '\n') return fail(Defect::bare_cr);
        begin_fields(offset(at) + 1);
        return ParseStatus::complete;

      case State::status:
      case State::reason:
      case State::fields:
        AZULB_ASSERT(false && "a state of the request line");
    }
  }
  position_ = offset(at);
  const bool too_long = state_ != State::line_lf && position_ > line_begin_ + limits.start_line_bytes;
  return too_long ? fail(Defect::request_line_too_long) : ParseStatus::need_more;
}

bool HeadParser::take_usual_status_line(const char* base, std::size_t size, const HeadLimits& limits) {
  constexpr std::string_view version = "HTTP/1.1 ";
  constexpr std::size_t reason_at = status_pattern.size();
  const std::size_t most = std::min(size, limits.start_line_bytes + 1);
  if (most < reason_at + 2 || std::memcmp(base, version.data(), version.size()) != 0) return false;
  const auto digit = [&](std::size_t at) { return static_cast<unsigned>(base[version.size() + at] - '0'); };
  const unsigned hundreds = digit(0);
  if (hundreds - 1 > 4 || digit(1) > 9 || digit(2) > 9 || base[reason_at - 1] != ' ') return false;
  const char* const end = base + most;
  const char* const reason_end = skip_value(base + reason_at, end);
  if (end - reason_end < 2 || reason_end[0] != '\r' || reason_end[1] != '\n') return false;
  status_ = static_cast<std::uint16_t>(hundreds * 100 + digit(1) * 10 + digit(2));
  version_minor_ = 1;
  second_begin_ = reason_at;
  second_end_ = static_cast<std::uint32_t>(reason_end - base);
  begin_fields(second_end_ + 2);
  return true;
}

ParseStatus HeadParser::status_line(const char* base, std::size_t size, const HeadLimits& limits) {
  if (position_ == 0 && take_usual_status_line(base, size, limits)) return ParseStatus::complete;
  const char* at = base + position_;
  const char* end = base + std::min(size, limits.start_line_bytes + 1);
  const auto offset = [base](const char* place) { return static_cast<std::uint32_t>(place - base); };
  if (state_ == State::start) state_ = State::status;

  if (state_ == State::status) {
    const std::size_t matched = match(base, end, status_pattern);
    at = base + matched;
    if (matched > 5 && base[5] != '1') return fail(Defect::unsupported_version);
    if (matched > 9 && (base[9] < '1' || base[9] > '5')) return fail(Defect::bad_status_line);
    const bool wrong = at < end && matched < status_pattern.size();
    if (wrong) return fail(defect_of(*at, matched < 8 ? Defect::bad_version : Defect::bad_status_line));
    if (matched == status_pattern.size()) {
      version_minor_ = minor_of(base[7]);
      status_ = static_cast<std::uint16_t>((base[9] - '0') * 100 + (base[10] - '0') * 10 + (base[11] - '0'));
      second_begin_ = offset(at);
      state_ = State::reason;
    }
  }
  if (state_ == State::reason) {
    at = skip_value(at, end);
    if (at < end) {
      second_end_ = offset(at);
      if (*at != '\r') return fail(defect_of(*at, Defect::control_byte));
      ++at;
      state_ = State::line_lf;
    }
  }
  position_ = offset(at);
  if (state_ != State::line_lf) {
    return position_ > limits.start_line_bytes ? fail(Defect::status_line_too_long) : ParseStatus::need_more;
  }
  if (position_ == size) return ParseStatus::need_more;
  if (*at != '\n') return fail(Defect::bare_cr);
  begin_fields(position_ + 1);
  return ParseStatus::complete;
}

ParseStatus HeadParser::fields(const char* base, std::size_t size, const HeadLimits& limits,
                               http::FieldList& fields) {
  const ParseStatus status = section_.parse(base, size, {limits.header_bytes, limits.fields}, fields);
  if (status == ParseStatus::error) defect_ = section_.defect();
  return status;
}

}  // namespace azulb::http1
