// What the request and the response fuzz target share: one message as values, read by azulb's parsers in any
// splitting of the bytes, or by llhttp, whose verdict azulb's must never be laxer than.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azulb/http/framing.hpp"
#include "azulb/http1/chunked_decoder.hpp"
#include "azulb/http1/head_parser.hpp"
#include "splitter.hpp"

namespace azulb::fuzz {

using NamedValue = std::pair<std::string, std::string>;

struct Message {
  bool complete = false;
  http::Defect defect = http::Defect::none;
  std::string method;
  std::string target;
  int status = 0;
  std::string reason;
  int version_minor = 1;
  std::vector<NamedValue> fields;  // with the trailers behind them
  http::BodyKind body_kind = http::BodyKind::none;
  std::string body;
  std::size_t head_length = 0;
  std::size_t length = 0;  // bytes of the message
  std::size_t trailer_count = 0;

  bool operator==(const Message&) const = default;
};

inline void add_fields(Message& message, std::span<const http::Field> fields) {
  for (const http::Field& field : fields)
    message.fields.emplace_back(field.name, field.value);
}

/// Reads the body behind the head; `message.complete` says whether its end was seen.
inline void read_body(std::string_view bytes, std::uint64_t content_length, Splitter splitter,
                      Message& message) {
  const std::string_view rest = bytes.substr(message.head_length);
  if (message.body_kind == http::BodyKind::none || message.body_kind == http::BodyKind::until_close) {
    message.complete = true;
    if (message.body_kind == http::BodyKind::until_close) message.body = rest;
  } else if (message.body_kind == http::BodyKind::length) {
    message.complete = rest.size() >= content_length;
    message.body = rest.substr(0, content_length);
  } else {
    http1::ChunkedDecoder decoder;
    http::FieldList trailers(http1::max_trailer_fields);
    std::size_t used = 0;
    std::size_t have = 0;
    while (message.defect == http::Defect::none && !message.complete) {
      const Exact arrived(rest.substr(used, have - used));
      const auto step = decoder.next(arrived.view(), trailers);
      used += step.consumed;
      switch (step.event) {
        case http1::ChunkedDecoder::Event::data:
          FUZZ_CHECK(!step.data.empty());
          message.body += step.data;
          break;
        case http1::ChunkedDecoder::Event::done:
          add_fields(message, trailers.fields());
          message.trailer_count = trailers.size();
          message.complete = true;
          break;
        case http1::ChunkedDecoder::Event::error:
          message.defect = decoder.defect();
          break;
        case http1::ChunkedDecoder::Event::need_more:
          if (have == rest.size()) return;
          have = grow(have, rest.size(), splitter);
          break;
      }
    }
    if (message.complete) message.length = message.head_length + used;
    return;
  }
  message.length = message.head_length + message.body.size();
}

/// Calls `parse(bytes_so_far)` with more and more bytes until it is not content with need_more.
template <typename Parse>
http1::ParseStatus feed(std::string_view bytes, Splitter splitter, std::unique_ptr<Exact>& arrived,
                        Parse parse) {
  std::size_t have = 0;
  for (;;) {
    const std::size_t before = have;
    have = grow(have, bytes.size(), splitter);
    arrived = std::make_unique<Exact>(bytes.substr(0, have));
    const http1::ParseStatus status = parse(arrived->view());
    if (status != http1::ParseStatus::need_more || have == bytes.size()) return status;
    FUZZ_CHECK(have > before);
  }
}

/// What llhttp makes of the bytes. `skip_body`: the head only, as for a response to HEAD.
class Oracle {
 public:
  Oracle(llhttp_type_t type, bool skip_body) : skip_body_(skip_body) {
    llhttp_settings_init(&settings_);
    settings_.on_url = [](llhttp_t* p, const char* at, size_t n) {
      return self(p).append(self(p).target, at, n);
    };
    settings_.on_status = [](llhttp_t* p, const char* at, size_t n) {
      return self(p).append(self(p).reason, at, n);
    };
    settings_.on_header_field = [](llhttp_t* p, const char* at, size_t n) {
      return self(p).append(self(p).name_, at, n);
    };
    settings_.on_header_value = [](llhttp_t* p, const char* at, size_t n) {
      return self(p).append(self(p).value_, at, n);
    };
    settings_.on_header_value_complete = [](llhttp_t* p) { return self(p).end_field(); };
    settings_.on_headers_complete = [](llhttp_t* p) { return self(p).skip_body_ ? 1 : 0; };
    settings_.on_body = [](llhttp_t* p, const char* at, size_t n) {
      return self(p).append(self(p).body, at, n);
    };
    settings_.on_message_complete = [](llhttp_t* p) {
      self(p).complete = true;
      return static_cast<int>(HPE_PAUSED);
    };
    llhttp_init(&parser_, type, &settings_);
    parser_.data = this;
  }

  /// Bytes used up, when `complete`.
  std::size_t run(std::string_view bytes, bool end_of_stream) {
    const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
    if (error == HPE_OK && end_of_stream && !complete) llhttp_finish(&parser_);
    const char* position = llhttp_get_error_pos(&parser_);
    return error == HPE_OK || position == nullptr ? bytes.size()
                                                  : static_cast<std::size_t>(position - bytes.data());
  }

  const llhttp_t& parser() const { return parser_; }
  const char* error_reason() const { return llhttp_get_error_reason(&parser_); }

  bool complete = false;
  std::string target;
  std::string reason;
  std::string body;
  std::vector<NamedValue> fields;

 private:
  static Oracle& self(llhttp_t* parser) { return *static_cast<Oracle*>(parser->data); }
  int append(std::string& text, const char* at, std::size_t size) {
    text.append(at, size);
    return 0;
  }
  int end_field() {
    fields.emplace_back(name_, http::trim(value_));
    name_.clear();
    value_.clear();
    return 0;
  }

  bool skip_body_;
  llhttp_settings_t settings_;
  llhttp_t parser_;
  std::string name_;
  std::string value_;
};

/// llhttp 8.1 takes a chunk extension with an unquoted value only as the last one: `used` is where it gave
/// up, at the ";" or behind it.
inline bool is_llhttp_extension_fault(std::string_view bytes, std::size_t used) {
  std::size_t at = bytes.rfind(';', used);
  if (at == std::string_view::npos || used - at > 2) return false;
  while (at > 0 && http::is_token_byte(static_cast<unsigned char>(bytes[at - 1])))
    --at;
  return at > 0 && bytes[at - 1] == '=';
}

/// llhttp lets trailers change the framing of the message that they end; azulb has no use for such trailers
/// but to drop them. Here they get another name, in the bytes for llhttp and in what is expected of it.
inline void disarm_trailers(std::string& bytes, std::vector<NamedValue>& fields, std::size_t trailer_count) {
  std::size_t line_end = bytes.size();
  for (std::size_t i = fields.size(); i-- > fields.size() - trailer_count;) {
    std::string& name = fields[i].first;
    line_end = bytes.rfind("\n" + name + ":", line_end - 1);
    FUZZ_CHECK(line_end != std::string::npos);
    switch (http::field_id(name)) {
      case http::FieldId::connection:
      case http::FieldId::content_length:
      case http::FieldId::proxy_connection:
      case http::FieldId::transfer_encoding:
      case http::FieldId::upgrade:
        bytes[line_end + 1] = name[0] = 'x';
        break;
      default:
        break;
    }
  }
}

inline const http1::HeadLimits limits{512, 1024, 24};

}  // namespace azulb::fuzz
