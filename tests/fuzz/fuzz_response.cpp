// Responses: arbitrary splits give one result; whatever azulb accepts, llhttp accepts and reads the same;
// what azulb writes from it, azulb reads back. Each input is read as an answer to GET and to HEAD.
#include <cstring>

#include "message.hpp"
#include "rewritten.hpp"

namespace azulb::fuzz {
namespace {

Message read(std::string_view bytes, http::Method method, std::uint64_t seed) {
  Message message;
  http1::HeadParser parser;
  http::FieldList fields(limits.fields);
  http::ResponseHead head;
  std::unique_ptr<Exact> arrived;
  const auto status = feed(bytes, Splitter(seed), arrived, [&](std::string_view so_far) {
    return parser.parse_response(so_far, limits, fields, head);
  });
  if (status == http1::ParseStatus::error) message.defect = parser.defect();
  if (status != http1::ParseStatus::complete) return message;
  message.head_length = parser.head_length();
  message.status = head.status;
  message.reason = head.reason;
  message.version_minor = head.version_minor;
  add_fields(message, head.fields);
  http::ResponseInfo info;
  message.defect = http::judge_response(head, method, info);
  if (message.defect != http::Defect::none) return message;
  message.body_kind = info.body;
  check_rewritten(head, info, method);
  read_body(bytes, info.content_length, Splitter(seed), message);
  return message;
}

void compare_with_llhttp(std::string_view bytes, const Message& message) {
  const bool no_body = message.body_kind == http::BodyKind::none;
  std::string copy(bytes.substr(0, message.length));
  // llhttp does not know HTTP/1.2 to 1.9, which RFC 9110 section 2.5 has read as 1.1.
  char& minor = copy[std::strlen("HTTP/1.")];
  if (minor > '1') minor = '1';
  std::vector<NamedValue> fields = message.fields;
  disarm_trailers(copy, fields, message.trailer_count);
  Oracle oracle(HTTP_RESPONSE, no_body);
  const std::size_t used = oracle.run(copy, true);
  const bool chunked = message.body_kind == http::BodyKind::chunked;
  if (!oracle.complete && chunked && is_llhttp_extension_fault(copy, used)) return;
  if (!oracle.complete) std::fprintf(stderr, "llhttp: %s\n", oracle.error_reason());
  FUZZ_CHECK(oracle.complete);
  FUZZ_CHECK(used == message.length);
  FUZZ_CHECK(oracle.parser().status_code == message.status);
  FUZZ_CHECK(http::trim(oracle.reason) == http::trim(message.reason));
  FUZZ_CHECK((oracle.parser().http_minor == 0) == (message.version_minor == 0));
  FUZZ_CHECK(oracle.fields == fields);
  FUZZ_CHECK(oracle.body == message.body);
}

}  // namespace
}  // namespace azulb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace azulb::fuzz;
  if (size > 4096) return 0;
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  for (const azulb::http::Method method : {azulb::http::Method::get, azulb::http::Method::head}) {
    const Message whole = read(bytes, method, 0);
    FUZZ_CHECK(read(bytes, method, 1) == whole);
    FUZZ_CHECK(read(bytes, method, 2 + size) == whole);
    FUZZ_CHECK(read(bytes, method, 77 + size * 3) == whole);
    if (whole.complete) compare_with_llhttp(bytes, whole);
  }
  return 0;
}
