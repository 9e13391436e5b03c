// That what azulb makes of a message, written as HTTP/1, is the same message to HTTP/1's own parser.
#pragma once

#include <cstddef>
#include <vector>

#include "azulb/http/head_writer.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/http1/head_parser.hpp"
#include "splitter.hpp"

namespace azulb::fuzz {

inline constexpr http1::HeadLimits wide_limits{
    .start_line_bytes = 64 * 1024, .header_bytes = 256 * 1024, .fields = 300};

/// The request as it would go to a server.
inline void check_rewritten(http::Request& request) {
  http::mark_hop_by_hop(request.head);
  http::RequestHeadOut out;
  out.head = &request.head;
  out.path = request.info.target.path;
  out.query = request.info.target.query;
  out.host = request.info.host;
  out.body = request.info.body;
  out.content_length = request.info.content_length;
  out.te_trailers = request.info.accepts_trailers;
  out.upgrade = request.info.upgrade;
  const std::size_t size = http::write_request_head(out, nullptr, 0);
  std::vector<char> bytes(size);
  FUZZ_CHECK(http::write_request_head(out, bytes.data(), size) == size);

  http1::HeadParser parser;
  http::FieldList fields(wide_limits.fields);
  http::RequestHead again;
  FUZZ_CHECK(parser.parse_request({bytes.data(), size}, wide_limits, fields, again) ==
             http1::ParseStatus::complete);
  FUZZ_CHECK(parser.head_length() == size);
  FUZZ_CHECK(again.method_name == request.head.method_name && again.target == request.head.target);
  http::RequestInfo again_info;
  FUZZ_CHECK(http::judge_request(again, again_info) == http::Defect::none);
  FUZZ_CHECK(again_info.body == request.info.body);
  FUZZ_CHECK(again_info.content_length == request.info.content_length);
  FUZZ_CHECK(again_info.host == request.info.host && again_info.upgrade == request.info.upgrade);
}

/// The response as it would go to a client.
inline void check_rewritten(http::ResponseHead head, const http::ResponseInfo& info, http::Method method) {
  http::mark_hop_by_hop(head);
  http::ResponseHeadOut out;
  out.status = head.status;
  out.reason = head.reason;
  out.fields = head.fields;
  out.date = "Thu, 01 Jan 1970 00:00:00 GMT";
  out.body = info.announced;
  out.content_length = info.content_length;
  out.close = !info.keep_alive;
  const std::size_t size = http::write_response_head(out, nullptr, 0);
  std::vector<char> bytes(size);
  FUZZ_CHECK(http::write_response_head(out, bytes.data(), size) == size);

  http1::HeadParser parser;
  http::FieldList fields(wide_limits.fields);
  http::ResponseHead again;
  FUZZ_CHECK(parser.parse_response({bytes.data(), size}, wide_limits, fields, again) ==
             http1::ParseStatus::complete);
  FUZZ_CHECK(parser.head_length() == size);
  http::ResponseInfo again_info;
  FUZZ_CHECK(http::judge_response(again, method, again_info) == http::Defect::none);
  FUZZ_CHECK(again.status == head.status && again.reason == head.reason);
  FUZZ_CHECK(again_info.body == info.body && again_info.announced == info.announced);
  FUZZ_CHECK(again_info.content_length == info.content_length);
  FUZZ_CHECK(again_info.keep_alive == info.keep_alive);
  FUZZ_CHECK(again.has(http::FieldId::date));
}

}  // namespace azulb::fuzz
