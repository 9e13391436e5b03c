#include <doctest/doctest.h>

#include <string>

#include "azulb/http/head_writer.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/http1/head_parser.hpp"

using namespace azulb::http;
using azulb::http1::HeadParser;
using azulb::http1::ParseStatus;

namespace {

/// What goes to a server of a request with these field lines, between Host and the empty line.
std::string passed_on(const std::string& lines) {
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n";
  HeadParser parser;
  FieldList fields(100);
  RequestHead parsed;
  REQUIRE(parser.parse_request(bytes, {}, fields, parsed) == ParseStatus::complete);
  const StoredRequest request(parsed, bytes);
  RequestHead head = request->head;
  mark_hop_by_hop(head);
  RequestHeadOut out;
  out.head = &head;
  out.path = "/";
  out.host = "a";
  std::string text(write_request_head(out, nullptr, 0), '?');
  write_request_head(out, text.data(), text.size());
  const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\n";
  REQUIRE(text.starts_with(begin));
  return text.substr(begin.size(), text.size() - begin.size() - 2);
}

}  // namespace

TEST_CASE("A line that does not pass leaves its neighbours as they are") {
  CHECK(passed_on("A: 1\r\nB: 2\r\n") == "A: 1\r\nB: 2\r\n");
  CHECK(passed_on("A: 1\r\nKeep-Alive: 2\r\nB: 3\r\n") == "A: 1\r\nB: 3\r\n");
  CHECK(passed_on("Connection: B\r\nA: 1\r\nB: 2\r\n") == "A: 1\r\n");
  CHECK(passed_on("A: 1\r\nB: 2\r\nConnection: a\r\n") == "B: 2\r\n");
  CHECK(passed_on("Connection: a, b\r\nA: 1\r\nB: 2\r\n") == "");
}

TEST_CASE("A line with unusual blanks is written anew among others") {
  CHECK(passed_on("A: 1\r\nB:2\r\nC: 3\r\n") == "A: 1\r\nB: 2\r\nC: 3\r\n");
  CHECK(passed_on("A:  1\r\nB: 2 \r\nC:\t3\r\nD: 4\t\r\n") == "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n");
  CHECK(passed_on("A: \t1\r\nB: \r\nC:\r\nD: 4 5\t6\r\n") == "A: 1\r\nB: \r\nC: \r\nD: 4 5\t6\r\n");
}

TEST_CASE("A field kept apart from its line is written anew") {
  const std::string bytes = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n";
  HeadParser parser;
  FieldList fields(100);
  ResponseHead head;
  REQUIRE(parser.parse_response(bytes, {}, fields, head) == ParseStatus::complete);
  StoredFields stored(head.fields);
  ResponseHeadOut out;
  out.reason = "OK";
  out.fields = stored.fields();
  std::string text(write_response_head(out, nullptr, 0), '?');
  write_response_head(out, text.data(), text.size());
  CHECK(text == bytes);
}
