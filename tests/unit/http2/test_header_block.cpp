#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azulb/http/framing.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/http2/header_block.hpp"

using namespace azulb;
using http::Defect;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr http2::HeadLimits limits{.request_line_bytes = 256, .header_bytes = 1024, .fields = 20};

struct Read {
  Defect defect = Defect::none;
  bool malformed = false;
  std::string head;            // as it would stand in HTTP/1
  http::StoredRequest stored;  // what `info` shows into
  http::RequestInfo info;
  Defect judged = Defect::none;
};

Read read(const Fields& fields, bool ended = true) {
  http2::HeaderBlock block;
  block.begin_request(limits);
  for (const auto& [name, value] : fields)
    block.add(name, value);
  http::FieldList list(limits.fields + http2::most_added_fields);
  http::RequestHead head;
  Read result;
  result.defect =
      block.finish_request({.ended = ended, .websocket_key = "AAAAAAAAAAAAAAAAAAAAAA=="}, list, head);
  result.malformed = block.malformed();
  if (result.defect != Defect::none) return result;
  http::StoredRequest& stored = result.stored;
  stored = http::StoredRequest(head, block.text());
  block.clear();
  result.judged = http::judge_request(stored->head, stored->info);
  result.info = stored->info;
  result.head = std::string(stored->head.method_name) + " " + std::string(stored->head.target) + "\n";
  for (const http::Field& field : stored->head.fields)
    result.head += std::string(field.name) + ": " + std::string(field.value) + "\n";
  return result;
}

Fields get(const Fields& more = {}) {
  Fields all = {{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/x?y"}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Fields without(Fields fields, std::string_view name) {
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}

Fields with(Fields fields, std::string_view name, std::string value) {
  for (auto& field : fields) {
    if (field.first == name) field.second = value;
  }
  return fields;
}

}  // namespace

TEST_CASE("a request reads as HTTP/1 would have brought it") {
  const Read result = read(get({{"accept", "*/*"}, {"x-empty", ""}}));
  CHECK(result.defect == Defect::none);
  CHECK(result.head == "GET /x?y\naccept: */*\nx-empty: \nhost: a.test\n");
  CHECK(result.judged == Defect::none);
  CHECK(result.info.body == http::BodyKind::none);
  CHECK(result.info.host == "a.test");
  CHECK(result.info.target.query == "?y");
}

TEST_CASE("cookie crumbs are joined where the first one stands") {
  const Read result = read(get({{"cookie", "a=1"}, {"accept", "*/*"}, {"cookie", "b=2"}, {"cookie", "c=3"}}));
  CHECK(result.head == "GET /x?y\ncookie: a=1; b=2; c=3\naccept: */*\nhost: a.test\n");
}

TEST_CASE("a body without a length is chunked behind azulb, one with a length keeps it") {
  CHECK(read(get(), false).info.body == http::BodyKind::chunked);
  const Read sized = read(get({{"content-length", "5"}}), false);
  CHECK(sized.info.body == http::BodyKind::length);
  CHECK(sized.info.content_length == 5);
}

TEST_CASE("Host and :authority are one") {
  CHECK(read(get({{"host", "A.TEST"}})).head == "GET /x?y\nhost: a.test\n");
  CHECK(read(get({{"host", "b.test"}})).malformed);
  CHECK(read(get({{"host", "a.test"}, {"host", "a.test"}})).defect == Defect::repeated_host);
  const Fields alone = without(get(), ":authority");
  CHECK(read(alone).judged == Defect::missing_host);
  Fields host = alone;
  host.emplace_back("host", "b.test");
  CHECK(read(host).info.host == "b.test");
  host.emplace_back("host", "b.test");
  CHECK(read(host).judged == Defect::repeated_host);
  CHECK(read(with(get(), ":authority", "")).judged == Defect::bad_host);
  CHECK(read(with(get(), ":authority", "user@a.test")).judged == Defect::bad_host);
}

TEST_CASE("pseudo-header fields that do not belong make a message malformed") {
  CHECK(read(without(get(), ":method")).malformed);
  CHECK(read(without(get(), ":scheme")).malformed);
  CHECK(read(without(get(), ":path")).malformed);
  CHECK(read(with(get(), ":path", "")).malformed);
  CHECK(read(with(get(), ":path", "x")).malformed);
  CHECK(read(with(get(), ":path", "http://b.test/")).malformed);
  CHECK(read(with(get(), ":path", "/a b")).malformed);
  CHECK(read(with(get(), ":path", "/a#b")).malformed);
  CHECK(read(with(get(), ":path", "*")).malformed);
  CHECK(read(with(get(), ":method", "")).malformed);
  CHECK(read(with(get(), ":method", "GET /")).malformed);
  CHECK(read(get({{":path", "/"}})).malformed);
  CHECK(read(get({{":status", "200"}})).malformed);
  CHECK(read(get({{":unknown", "1"}})).malformed);
  CHECK(read(get({{"accept", "*/*"}, {":extra", "1"}})).malformed);
  Fields late = without(get(), ":path");
  late.emplace_back("accept", "*/*");
  late.emplace_back(":path", "/");
  CHECK(read(late).malformed);
  CHECK(read(get({{":protocol", "websocket"}})).malformed);
  CHECK(read(with(with(get(), ":path", "*"), ":method", "OPTIONS")).defect == Defect::none);
  const Read scheme = read(with(get(), ":scheme", "ftp"));
  CHECK(scheme.defect == Defect::bad_target);
  CHECK_FALSE(scheme.malformed);
}

TEST_CASE("names and values that could become something else in HTTP/1 make a message malformed") {
  for (const char* name : {"Accept", "x y", "x:y", "", " x", "x\r\ny", "x\xC3\xA9", "x\x7F"}) {
    CAPTURE(name);
    const Read result = read(get({{name, "1"}}));
    CHECK(result.malformed);
    CHECK(result.defect == Defect::bad_field_name);
  }
  CHECK(read(get({{std::string("x\0y", 3), "1"}})).malformed);
  for (const std::string value : {"a\r\nb: c", "a\nb", "a\rb", "a\x01", "a\x7F"}) {
    CHECK(read(get({{"x", value}})).defect == Defect::control_byte);
    CHECK(read(with(get(), ":path", "/" + value)).malformed);
    CHECK(read(with(get(), ":authority", value)).malformed);
    CHECK(read(with(get(), ":method", value)).malformed);
  }
  CHECK(read(get({{"x", std::string("a\0b", 3)}})).malformed);
  for (const char* value : {" a", "a ", "\ta", "a\t", " "}) {
    CHECK(read(get({{"x", value}})).defect == Defect::bad_field_value);
  }
  CHECK(read(get({{"x", "a\tb \xC3\xA9"}})).defect == Defect::none);
}

TEST_CASE("fields of a connection have no place in HTTP/2") {
  for (const char* name : {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}) {
    CAPTURE(name);
    CHECK(read(get({{name, "x"}})).defect == Defect::connection_field);
    CHECK(read(get({{name, "x"}})).malformed);
  }
  CHECK(read(get({{"te", "gzip"}})).malformed);
  CHECK(read(get({{"te", "trailers, deflate"}})).malformed);
  CHECK(read(get({{"te", "trailers"}})).info.accepts_trailers);
}

TEST_CASE("CONNECT is refused, and one that is not even well formed is malformed") {
  const Fields good = {{":method", "CONNECT"}, {":authority", "a.test:443"}};
  CHECK(read(good).defect == Defect::method_not_allowed);
  CHECK_FALSE(read(good).malformed);
  CHECK(read(with(get(), ":method", "CONNECT")).malformed);
  CHECK(read({{":method", "CONNECT"}}).malformed);
}

TEST_CASE("an extended CONNECT for a WebSocket becomes an upgrade") {
  Fields fields = with(get(), ":method", "CONNECT");
  fields.insert(fields.begin(), {":protocol", "websocket"});
  CHECK(read(fields).judged == Defect::websocket_version);
  fields.emplace_back("sec-websocket-version", "13");
  fields.emplace_back("sec-websocket-key", "not-a-key");
  const Read result = read(fields, false);
  CHECK(result.judged == Defect::none);
  CHECK(result.info.websocket);
  CHECK(result.info.body == http::BodyKind::none);
  CHECK(result.head.starts_with("GET /x?y\n"));
  CHECK(result.head.find("sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\n") != std::string::npos);
  CHECK(result.head.find("not-a-key") == std::string::npos);
  CHECK(read(with(fields, ":protocol", "connect-udp")).defect == Defect::unsupported_protocol);
  CHECK(read(without(fields, ":authority")).malformed);
  CHECK(read(without(fields, ":scheme")).malformed);
}

TEST_CASE("limits are answered, not reset") {
  const Read line = read(with(get(), ":path", "/" + std::string(260, 'x')));
  CHECK(line.defect == Defect::request_line_too_long);
  CHECK_FALSE(line.malformed);
  CHECK(read(with(get(), ":path", "/" + std::string(242, 'x'))).defect == Defect::none);
  CHECK(read(with(get(), ":path", "/" + std::string(243, 'x'))).defect == Defect::request_line_too_long);
  const Read large = read(get({{"x", std::string(1020, 'x')}}));
  CHECK(large.defect == Defect::header_too_large);
  CHECK_FALSE(large.malformed);
  CHECK(read(get({{"x", std::string(1019, 'x')}})).defect == Defect::none);
  Fields many = get();
  for (int i = 0; i < 20; ++i)
    many.emplace_back("x", "y");
  CHECK(read(many).defect == Defect::none);
  many.emplace_back("x", "y");
  CHECK(read(many).defect == Defect::too_many_fields);
  many.emplace_back("X", "y");
  CHECK(read(many).malformed);
}

TEST_CASE("a block that unfolds to many times its limits is monstrous") {
  http2::HeaderBlock block;
  block.begin_request(limits);
  int added = 0;
  while (!block.monstrous() && added < 100'000) {
    block.add("x", std::string(100, 'x'));
    ++added;
  }
  CHECK(added > 30);
  CHECK(added < 200);
  CHECK(block.text().size() <= limits.header_bytes + limits.request_line_bytes);
}

TEST_CASE("trailers follow the rules of fields, and have none of the pseudo kind") {
  http::FieldList list(http2::max_trailer_fields);
  http2::HeaderBlock block;
  block.begin_trailers();
  block.add("x-sum", "1");
  block.add("cookie", "a");
  block.add("cookie", "b");
  CHECK(block.finish_trailers(list) == Defect::none);
  CHECK(list.size() == 3);
  block.begin_trailers();
  block.add(":path", "/");
  CHECK(block.finish_trailers(list) == Defect::bad_pseudo_field);
  block.begin_trailers();
  block.add("connection", "x");
  CHECK(block.finish_trailers(list) == Defect::connection_field);
  block.begin_trailers();
  for (std::size_t i = 0; i <= http2::max_trailer_fields; ++i)
    block.add("x", "y");
  CHECK(block.finish_trailers(list) == Defect::trailer_too_large);
}
