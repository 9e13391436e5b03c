// Requests: arbitrary splits give one result; whatever azulb accepts, llhttp accepts and reads the same; what
// azulb writes from it, azulb reads back.
#include <cstring>

#include "azulb/http/forwarded.hpp"
#include "azulb/http/head_writer.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "message.hpp"

namespace azulb::fuzz {
namespace {

std::uint64_t fixed_random(void*) {
  return 0x0123456789abcdefU;
}

/// The next head, as an exchange would write it, is a request with the same meaning.
void check_rewritten(http::RequestHead head, const http::RequestInfo& info) {
  http::ForwardedValues values;
  http::ConnectionFacts connection;
  connection.port = 8080;
  const http::Field own[] = {http::make_field("X-Own", "1")};
  http::mark_hop_by_hop(head);
  http::judge_forwarded(connection, head, info, fixed_random, nullptr, values);
  http::RequestHeadOut out;
  out.head = &head;
  out.path = info.target.path;
  out.query = info.target.query;
  out.host = info.host.empty() ? "upstream" : info.host;
  out.forwarded = &values;
  out.own = own;
  out.body = info.body;
  out.content_length = info.content_length;
  out.upgrade = info.upgrade;
  const std::size_t size = http::write_request_head(out, nullptr, 0);
  std::vector<char> bytes(size);
  FUZZ_CHECK(http::write_request_head(out, bytes.data(), size - 1) == size);
  FUZZ_CHECK(http::write_request_head(out, bytes.data(), size) == size);

  http1::HeadParser parser;
  http::FieldList fields(100);
  http::RequestHead again;
  const http1::HeadLimits wide{4096, 16384, 100};
  FUZZ_CHECK(parser.parse_request({bytes.data(), size}, wide, fields, again) == http1::ParseStatus::complete);
  FUZZ_CHECK(parser.head_length() == size);
  http::RequestInfo again_info;
  FUZZ_CHECK(http::judge_request(again, again_info) == http::Defect::none);
  FUZZ_CHECK(again.method_name == head.method_name);
  FUZZ_CHECK(again_info.target.path == info.target.path && again_info.target.query == info.target.query);
  FUZZ_CHECK(again_info.host == out.host && again_info.body == info.body);
  FUZZ_CHECK(again_info.content_length == info.content_length && again_info.upgrade == info.upgrade);
  FUZZ_CHECK(again_info.keep_alive);
  FUZZ_CHECK(!again.has(http::FieldId::underscore_twin));
  int real_ips = 0;
  for (const http::Field& field : again.fields)
    real_ips += field.id == http::FieldId::x_real_ip ? 1 : 0;
  FUZZ_CHECK(real_ips == 1);
}

Message read(std::string_view bytes, std::uint64_t seed) {
  Message message;
  http1::HeadParser parser;
  http::FieldList fields(limits.fields);
  http::RequestHead head;
  std::unique_ptr<Exact> arrived;
  const auto status = feed(bytes, Splitter(seed), arrived, [&](std::string_view so_far) {
    return parser.parse_request(so_far, limits, fields, head);
  });
  if (status == http1::ParseStatus::error) message.defect = parser.defect();
  if (status != http1::ParseStatus::complete) return message;
  message.head_length = parser.head_length();
  message.method = head.method_name;
  message.target = head.target;
  message.version_minor = head.version_minor;
  add_fields(message, head.fields);
  http::RequestInfo info;
  message.defect = http::judge_request(head, info);
  if (message.defect != http::Defect::none) return message;
  message.body_kind = info.body;
  check_rewritten(head, info);
  read_body(bytes, info.content_length, Splitter(seed), message);
  return message;
}

void compare_with_llhttp(std::string_view bytes, const Message& message) {
  std::string copy(bytes.substr(0, message.length));
  // llhttp does not know HTTP/1.2 to 1.9, which RFC 9110 section 2.5 has read as 1.1.
  const std::size_t line = copy.starts_with("\r\n") ? 2 : 0;
  char& minor = copy[line + message.method.size() + message.target.size() + std::strlen("  HTTP/1.")];
  if (minor > '1') minor = '1';
  // llhttp knows a fixed list of methods, and some of it belongs to other protocols.
  const http::Method method = http::method_of(message.method);
  const bool known = method != http::Method::other;
  if (!known) copy.replace(line, message.method.size(), "GET");
  const std::size_t shift = known ? 0 : message.method.size() - 3;  // may wrap; only added back
  std::vector<NamedValue> fields = message.fields;
  disarm_trailers(copy, fields, message.trailer_count);
  Oracle oracle(HTTP_REQUEST, false);
  const std::size_t used = oracle.run(copy, false);
  const bool chunked = message.body_kind == http::BodyKind::chunked;
  if (!oracle.complete && chunked && is_llhttp_extension_fault(copy, used)) return;
  if (!oracle.complete) std::fprintf(stderr, "llhttp: %s\n", oracle.error_reason());
  FUZZ_CHECK(oracle.complete);
  FUZZ_CHECK(used + shift == message.length);
  if (known)
    FUZZ_CHECK(message.method == llhttp_method_name(static_cast<llhttp_method_t>(oracle.parser().method)));
  FUZZ_CHECK(oracle.target == message.target);
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
  const Message whole = read(bytes, 0);
  FUZZ_CHECK(read(bytes, 1) == whole);
  FUZZ_CHECK(read(bytes, 2 + size) == whole);
  FUZZ_CHECK(read(bytes, 77 + size * 3) == whole);
  if (whole.complete) compare_with_llhttp(bytes, whole);
  return 0;
}
