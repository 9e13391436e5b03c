#include <doctest/doctest.h>

#include <string>

#include "azulb/http/head_writer.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "fixture.hpp"

using namespace azulb::http;

namespace {

template <typename Head, typename Write>
std::string written(const Head& head, Write write) {
  const std::size_t needed = write(head, nullptr, 0);
  std::string out(needed, '?');
  CHECK(write(head, out.data(), needed - 1) == needed);
  CHECK(write(head, out.data(), needed) == needed);
  return out;
}

std::uint64_t zero_random(void*) {
  return 0;
}

}  // namespace

TEST_CASE("A request head is written anew, in order, with azulb's own fields behind") {
  Request request("POST", "http://app.example/a?b",
                  {{"Host", "other"},
                   {"X-First", "1"},
                   {"Connection", "X-Forwarded-For, close"},
                   {"X-Forwarded-For", "6.6.6.6"},
                   {"cOOKIE", "a=b"},
                   {"Empty", ""},
                   {"Content-Length", "007"}});
  RequestInfo info;
  REQUIRE(judge_request(request.head, info) == Defect::none);
  mark_hop_by_hop(request.head);
  ConnectionFacts connection;
  connection.peer = *azulb::base::IpAddress::parse("192.0.2.7");
  connection.port = 80;
  ForwardedValues values;
  judge_forwarded(connection, request.head, info, zero_random, nullptr, values);
  const Field own[] = {make_field("X-Own", "2")};
  RequestHeadOut out;
  out.head = &request.head;
  out.path = info.target.path;
  out.query = info.target.query;
  out.host = info.host;
  out.forwarded = &values;
  out.own = own;
  out.body = info.body;
  out.content_length = info.content_length;
  CHECK(written(out, write_request_head) ==
        "POST /a?b HTTP/1.1\r\n"
        "Host: app.example\r\n"
        "X-First: 1\r\n"
        "cOOKIE: a=b\r\n"
        "Empty: \r\n"
        "X-Real-IP: 192.0.2.7\r\n"
        "X-Forwarded-For: 192.0.2.7\r\n"
        "X-Forwarded-Proto: http\r\n"
        "X-Forwarded-Host: app.example\r\n"
        "X-Forwarded-Port: 80\r\n"
        "X-Request-ID: 00000000000000000000000000000000\r\n"
        "REMOTE_ADDR: 192.0.2.7\r\n"
        "X-Own: 2\r\n"
        "Content-Length: 7\r\n"
        "\r\n");
}

TEST_CASE("A trusted peer is appended to its X-Forwarded-For") {
  Request request("GET", "/",
                  {{"Host", "a"}, {"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-For", "2.2.2.2"}});
  const azulb::base::Network trusted[] = {*azulb::base::Network::parse("10.0.0.0/8")};
  ConnectionFacts connection;
  connection.peer = *azulb::base::IpAddress::parse("10.0.0.1");
  connection.trusted_proxies = trusted;
  RequestInfo info;
  REQUIRE(judge_request(request.head, info) == Defect::none);
  mark_hop_by_hop(request.head);
  ForwardedValues values;
  judge_forwarded(connection, request.head, info, zero_random, nullptr, values);
  RequestHeadOut out;
  out.head = &request.head;
  out.path = "/";
  out.host = "a";
  out.forwarded = &values;
  const std::string text = written(out, write_request_head);
  CHECK(text.find("X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.1\r\n") != std::string::npos);
  CHECK(text.find("X-Real-IP: 2.2.2.2\r\n") != std::string::npos);
  CHECK(text.find("X-Forwarded-Port") == std::string::npos);
}

TEST_CASE("Connection says what is hop-by-hop towards the server, and nothing else") {
  const Request request("GET", "/", {});
  RequestHeadOut out;
  out.head = &request.head;
  out.path = "/";
  out.host = "a";
  CHECK(written(out, write_request_head) == "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  out.close = true;
  CHECK(written(out, write_request_head) == "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  out.te_trailers = true;
  CHECK(written(out, write_request_head) ==
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, TE\r\nTE: trailers\r\n\r\n");
  out.close = false;
  out.body = BodyKind::chunked;
  out.expect_continue = true;
  CHECK(written(out, write_request_head) ==
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: "
        "TE\r\nTE: "
        "trailers\r\n\r\n");
  out = RequestHeadOut{};
  out.head = &request.head;
  out.path = "/ws";
  out.host = "a";
  out.upgrade = "websocket";
  CHECK(written(out, write_request_head) ==
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST_CASE("A response head is written, with a date where it is given") {
  Response response(404, {{"Server", "x"}, {"Content-Length", "18446744073709551615"}, {"X", "y"}});
  mark_hop_by_hop(response.head);
  ResponseHeadOut out;
  out.status = 404;
  out.reason = "Not Found";
  out.fields = response.head.fields;
  out.date = "Thu, 01 Jan 1970 00:00:00 GMT";
  out.body = BodyKind::length;
  out.content_length = 18446744073709551615U;
  CHECK(written(out, write_response_head) ==
        "HTTP/1.1 404 Not Found\r\nServer: x\r\nX: y\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "Content-Length: 18446744073709551615\r\n\r\n");
  const Field own[] = {make_field("Date", "then")};
  out = ResponseHeadOut{};
  out.reason = "OK";
  out.fields = own;
  out.body = BodyKind::chunked;
  out.close = true;
  CHECK(written(out, write_response_head) ==
        "HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  out.close = false;
  out.keep_alive = true;
  out.reason = {};
  out.body = BodyKind::until_close;
  CHECK(written(out, write_response_head) == "HTTP/1.1 200 \r\nDate: then\r\nConnection: keep-alive\r\n\r\n");
  out = ResponseHeadOut{};
  out.status = 101;
  out.reason = "Switching Protocols";
  out.upgrade = "websocket";
  CHECK(written(out, write_response_head) ==
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST_CASE("Chunk sizes and trailers are written") {
  char out[18];
  CHECK(std::string(out, write_chunk_size(0, out)) == "0\r\n");
  CHECK(std::string(out, write_chunk_size(0xabc, out)) == "abc\r\n");
  CHECK(write_chunk_size(~std::uint64_t{0}, out) == 18);
  Field trailers[] = {make_field("Host", "x"), make_field("X-Sum", "y")};
  mark_trailers(trailers);
  const std::span<const Field> span = trailers;
  CHECK(written(span, write_trailers) == "X-Sum: y\r\n\r\n");
}

TEST_CASE("A head that is moved keeps its text") {
  std::string bytes = "GET/xNamevalue";
  FieldList list(1);
  list.push(make_field({bytes.data() + 5, 4}, {bytes.data() + 9, 5}));
  RequestHead head;
  head.method_name = {bytes.data(), 3};
  head.target = {bytes.data() + 3, 2};
  head.fields = list.fields();
  const std::string copy = bytes;
  Field storage[1];
  relocate(head, bytes.data(), copy.data(), storage);
  bytes.assign(bytes.size(), '?');
  CHECK(head.method_name == "GET");
  CHECK(head.target == "/x");
  REQUIRE(head.fields.size() == 1);
  CHECK(head.fields.data() == storage);
  CHECK(head.fields[0].name == "Name");
  CHECK(head.fields[0].value == "value");
}
