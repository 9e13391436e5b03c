#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/http1/head_parser.hpp"

using azulb::http::Defect;
using azulb::http::Field;
using azulb::http::FieldId;
using azulb::http::FieldList;
using azulb::http::RequestHead;
using azulb::http::ResponseHead;
using azulb::http1::HeadLimits;
using azulb::http1::HeadParser;
using azulb::http1::ParseStatus;
using namespace std::string_literals;

namespace {

struct Case {
  std::string bytes;
  Defect defect;
};

const HeadLimits small_limits{64, 128, 4};

/// The verdict when the bytes come whole, and where it fell when they come one by one.
struct Verdict {
  ParseStatus status = ParseStatus::need_more;
  Defect defect = Defect::none;
  std::size_t used = 0;
};

template <typename Head, typename Parse>
Verdict whole(const std::string& bytes, Parse parse) {
  HeadParser parser;
  FieldList fields(small_limits.fields);
  Head head;
  Verdict verdict;
  verdict.status = (parser.*parse)(bytes, small_limits, fields, head);
  verdict.defect = parser.defect();
  verdict.used = parser.head_length();
  return verdict;
}

template <typename Head, typename Parse>
Verdict byte_by_byte(const std::string& bytes, Parse parse) {
  HeadParser parser;
  FieldList fields(small_limits.fields);
  Head head;
  Verdict verdict;
  for (std::size_t have = 0; have <= bytes.size(); ++have) {
    // A block of its very size each time: the bytes move, and a sanitizer sees a read past them.
    const auto block = std::make_unique<char[]>(have);
    std::memcpy(block.get(), bytes.data(), have);
    verdict.status = (parser.*parse)({block.get(), have}, small_limits, fields, head);
    verdict.defect = parser.defect();
    verdict.used = have;
    if (verdict.status != ParseStatus::need_more) break;
  }
  return verdict;
}

Verdict request(const std::string& bytes) {
  const Verdict once = whole<RequestHead>(bytes, &HeadParser::parse_request);
  const Verdict split = byte_by_byte<RequestHead>(bytes, &HeadParser::parse_request);
  CHECK(once.status == split.status);
  CHECK(once.defect == split.defect);
  return split;
}

Verdict response(const std::string& bytes) {
  const Verdict once = whole<ResponseHead>(bytes, &HeadParser::parse_response);
  const Verdict split = byte_by_byte<ResponseHead>(bytes, &HeadParser::parse_response);
  CHECK(once.status == split.status);
  CHECK(once.defect == split.defect);
  return split;
}

}  // namespace

TEST_CASE("A request head is read as views into its bytes") {
  const std::string bytes = "POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-One:\t two \t\r\nEmpty:\r\n\r\nbody";
  HeadParser parser;
  FieldList fields(100);
  RequestHead head;
  REQUIRE(parser.parse_request(bytes, {}, fields, head) == ParseStatus::complete);
  CHECK(parser.head_length() == bytes.size() - 4);
  CHECK(head.method_name == "POST");
  CHECK(head.method == azulb::http::Method::post);
  CHECK(head.target == "/a?b=c");
  CHECK(head.version_minor == 1);
  REQUIRE(head.fields.size() == 3);
  CHECK(head.fields[0].name == "Host");
  CHECK(head.fields[0].value == "h");
  CHECK(head.fields[0].id == FieldId::host);
  CHECK(head.fields[1].name == "X-One");
  CHECK(head.fields[1].value == "two");
  CHECK(head.fields[2].value.empty());
  CHECK(head.has(FieldId::host));
  CHECK_FALSE(head.has(FieldId::cookie));
  CHECK(head.target.data() == bytes.data() + 5);
}

TEST_CASE("A request head split at every place is read the same") {
  const std::string bytes =
      "\r\nGET /path/that/is/longer/than/sixteen HTTP/1.0\r\nHost: example.com\r\nX: a value of some length, "
      "too\r\n\r\n";
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    CAPTURE(split);
    HeadParser parser;
    FieldList fields(100);
    RequestHead head;
    const std::string first = bytes.substr(0, split);
    const ParseStatus status = parser.parse_request(first, {}, fields, head);
    if (split == bytes.size()) {
      CHECK(status == ParseStatus::complete);
    } else {
      REQUIRE(status == ParseStatus::need_more);
      CHECK(parser.started() == (split > 0));
      REQUIRE(parser.parse_request(bytes, {}, fields, head) == ParseStatus::complete);
    }
    CHECK(parser.head_length() == bytes.size());
    CHECK(head.method_name == "GET");
    CHECK(head.target == "/path/that/is/longer/than/sixteen");
    CHECK(head.version_minor == 0);
    REQUIRE(head.fields.size() == 2);
    CHECK(head.fields[1].value == "a value of some length, too");
  }
}

TEST_CASE("A parser reads one head after another") {
  const std::string bytes = "GET /1 HTTP/1.1\r\nA: 1\r\n\r\nGET /2 HTTP/1.1\r\nB: 2\r\nC: 3\r\n\r\n";
  std::string_view rest = bytes;
  HeadParser parser;
  FieldList fields(100);
  RequestHead head;
  REQUIRE(parser.parse_request(rest, {}, fields, head) == ParseStatus::complete);
  CHECK(head.target == "/1");
  rest.remove_prefix(parser.head_length());
  parser.reset();
  REQUIRE(parser.parse_request(rest, {}, fields, head) == ParseStatus::complete);
  CHECK(head.target == "/2");
  CHECK(head.fields.size() == 2);
  CHECK(parser.head_length() == rest.size());
}

TEST_CASE("Good requests are taken, whole and byte by byte") {
  for (const std::string& bytes : std::vector<std::string>{
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.0\r\n\r\n",
           "GET / HTTP/1.9\r\n\r\n",
           "\r\nGET / HTTP/1.1\r\n\r\n",
           "M-SEARCH * HTTP/1.1\r\n\r\n",
           "get / HTTP/1.1\r\n\r\n",
           "GET http://a/ HTTP/1.1\r\n\r\n",
           "GET /\"<>\\^`{|}'[]%zz HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n",
           "GET / HTTP/1.1\r\nA: \x80\xFF\tx y\r\n\r\n",
           "GET / HTTP/1.1\r\nA:b:c\r\n\r\n",
           "GET / HTTP/1.1\r\nA: \t \r\n\r\n",
           "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n",
       }) {
    CAPTURE(bytes);
    const Verdict verdict = request(bytes);
    CHECK(verdict.status == ParseStatus::complete);
    CHECK(verdict.used == bytes.size());
  }
}

TEST_CASE("Bad requests are refused at their first wrong byte, though the head never ends") {
  const std::vector<Case> cases = {
      // the line's bytes end with the wrong one: RFC 9112 section 2.2 and 3
      {"\n", Defect::bare_lf},
      {"\rG", Defect::bare_cr},
      {"\r\n\r", Defect::empty_line},
      {"\r\n\n", Defect::bare_lf},
      {" ", Defect::bad_method},
      {"\0"s, Defect::control_byte},
      {"\x16", Defect::control_byte},
      {"\x80", Defect::bad_method},
      {"G\x7F", Defect::control_byte},
      {"GE(", Defect::bad_method},
      {"GET\t", Defect::bad_method},
      {"GET\r", Defect::bad_method},
      {"GET\n", Defect::bare_lf},
      {"GET:", Defect::bad_method},
      {"GET  ", Defect::bad_target},
      {"GET \t", Defect::bad_target},
      {"GET /a\t", Defect::bad_target},
      {"GET /a#", Defect::bad_target},
      {"GET /a\x80", Defect::bad_target},
      {"GET /\xC3", Defect::bad_target},
      {"GET /a\x7F", Defect::control_byte},
      {"GET /a\0"s, Defect::control_byte},
      {"GET /a\x1B", Defect::control_byte},
      {"GET /a\r", Defect::bad_version},
      {"GET /a\n", Defect::bare_lf},
      {"GET /a  ", Defect::bad_version},
      {"GET /a b", Defect::bad_version},
      {"GET /a HTTP/1.1 ", Defect::bad_version},
      {"GET /a HTTP/1.1\t", Defect::bad_version},
      {"GET /a HTTP/1.10", Defect::bad_version},
      {"GET /a HTTP/1,", Defect::bad_version},
      {"GET /a HTTP/11", Defect::bad_version},
      {"GET /a HTTP/1.x", Defect::bad_version},
      {"GET /a HTTP/-", Defect::bad_version},
      {"GET /a HTTPS", Defect::bad_version},
      {"GET /a h", Defect::bad_version},
      {"GET /a HTTP/1.\n", Defect::bare_lf},
      {"GET /a HTTP/1.1\n", Defect::bare_lf},
      {"GET /a HTTP/1.1\rH", Defect::bare_cr},
      {"GET /a HTTP/1.1\r\r", Defect::bare_cr},
      // field lines: RFC 9112 section 5
      {"GET / HTTP/1.1\r\n ", Defect::obs_fold},
      {"GET / HTTP/1.1\r\n\t", Defect::obs_fold},
      {"GET / HTTP/1.1\r\nA: b\r\n ", Defect::obs_fold},
      {"GET / HTTP/1.1\r\nA: b\r\n\t", Defect::obs_fold},
      {"GET / HTTP/1.1\r\n:", Defect::empty_field_name},
      {"GET / HTTP/1.1\r\nA ", Defect::space_before_colon},
      {"GET / HTTP/1.1\r\nA\t", Defect::space_before_colon},
      {"GET / HTTP/1.1\r\nA\r", Defect::missing_colon},
      {"GET / HTTP/1.1\r\nA\n", Defect::bare_lf},
      {"GET / HTTP/1.1\r\nA\0"s, Defect::control_byte},
      {"GET / HTTP/1.1\r\nA\x80", Defect::bad_field_name},
      {"GET / HTTP/1.1\r\nA(", Defect::bad_field_name},
      {"GET / HTTP/1.1\r\nA\"", Defect::bad_field_name},
      {"GET / HTTP/1.1\r\nA/", Defect::bad_field_name},
      {"GET / HTTP/1.1\r\n@", Defect::bad_field_name},
      {"GET / HTTP/1.1\r\nA: b\n", Defect::bare_lf},
      {"GET / HTTP/1.1\r\nA:\n", Defect::bare_lf},
      {"GET / HTTP/1.1\r\nA: b\0"s, Defect::control_byte},
      {"GET / HTTP/1.1\r\nA: b\x01", Defect::control_byte},
      {"GET / HTTP/1.1\r\nA: b\x0B", Defect::control_byte},
      {"GET / HTTP/1.1\r\nA: b\x0C", Defect::control_byte},
      {"GET / HTTP/1.1\r\nA: b\x1F", Defect::control_byte},
      {"GET / HTTP/1.1\r\nA: b\x7F", Defect::control_byte},
      {"GET / HTTP/1.1\r\nA: long enough for one step of sixteen\x08", Defect::control_byte},
      {"GET / HTTP/1.1\r\nA: b\rc", Defect::bare_cr},
      {"GET / HTTP/1.1\r\nA: b\r\r", Defect::bare_cr},
      {"GET / HTTP/1.1\r\n\n", Defect::bare_lf},
      // a tab beside a value that frames the message
      {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\t\r\n", Defect::bad_transfer_encoding},
      {"GET / HTTP/1.1\r\nTransfer-Encoding:\tchunked\r\n", Defect::bad_transfer_encoding},
      {"GET / HTTP/1.1\r\nContent-Length: 5\t\r\n", Defect::bad_content_length},
      {"GET / HTTP/1.1\r\n\rX", Defect::bare_cr},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.bytes);
    const Verdict verdict = request(bad.bytes);
    CHECK(verdict.status == ParseStatus::error);
    CHECK(azulb::http::defect_word(verdict.defect) == azulb::http::defect_word(bad.defect));
    CHECK(azulb::http::defect_status(verdict.defect) == 400);
    CHECK(verdict.used == bad.bytes.size());  // not before, not after
  }
}

TEST_CASE("A version other than 1 is 505") {
  for (const char* bytes : {"GET / HTTP/2.0\r", "GET / HTTP/0.9\r", "GET / HTTP/3.1\r", "PRI * HTTP/2.0\r"}) {
    const Verdict verdict = request(bytes);
    CHECK(verdict.defect == Defect::unsupported_version);
    CHECK(azulb::http::defect_status(verdict.defect) == 505);
  }
}

TEST_CASE("A request line may be as long as the limit and not a byte longer") {
  const std::string tail = " HTTP/1.1";
  const std::string fitting = "GET /" + std::string(64 - 5 - tail.size(), 'a') + tail;
  CHECK(request(fitting + "\r\n\r\n").status == ParseStatus::complete);
  CHECK(request("\r\n" + fitting + "\r\n\r\n").status == ParseStatus::complete);
  for (const std::string& bytes : {"GET /" + std::string(65 - 5 - tail.size(), 'a') + tail + "\r\n\r\n",
                                   "GET /" + std::string(600, 'a'), std::string(600, 'A')}) {
    const Verdict verdict = request(bytes);
    CHECK(verdict.defect == Defect::request_line_too_long);
    CHECK(verdict.used == 65);  // known as soon as there is one byte too many
    CHECK(azulb::http::defect_status(verdict.defect) == 414);
  }
}

TEST_CASE("The header may be as large as the limit and not a byte larger") {
  const std::string line = "GET / HTTP/1.1\r\n";
  const auto header = [](std::size_t size) { return "A: " + std::string(size - 7, 'b') + "\r\n\r\n"; };
  CHECK(request(line + header(128)).status == ParseStatus::complete);
  CHECK(request(line + header(129)).defect == Defect::header_too_large);
  CHECK(request(line + header(500)).defect == Defect::header_too_large);
  CHECK(request(line + std::string(500, 'n')).defect == Defect::header_too_large);
  CHECK(request(line + "A:" + std::string(500, ' ')).defect == Defect::header_too_large);
  CHECK(azulb::http::defect_status(Defect::header_too_large) == 431);
}

TEST_CASE("One field more than the limit is 431") {
  const Verdict verdict = request("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE");
  CHECK(verdict.defect == Defect::too_many_fields);
  CHECK(azulb::http::defect_status(verdict.defect) == 431);
}

TEST_CASE("Field names are recognised in any case, and twins with underscores as twins") {
  using azulb::http::field_id;
  CHECK(field_id("Host") == FieldId::host);
  CHECK(field_id("hOST") == FieldId::host);
  CHECK(field_id("TE") == FieldId::te);
  CHECK(field_id("content-LENGTH") == FieldId::content_length);
  CHECK(field_id("Sec-WebSocket-Extensions") == FieldId::sec_websocket_extensions);
  CHECK(field_id("X-Forwarded-Proto") == FieldId::x_forwarded_proto);
  CHECK(field_id("X-Forwarded-Prefix") == FieldId::x_forwarded_other);
  CHECK(field_id("x-forwarded-") == FieldId::other);
  CHECK(field_id("REMOTE_ADDR") == FieldId::remote_addr);
  CHECK(field_id("Remote-Addr") == FieldId::remote_addr);
  CHECK(field_id("remote_Addr") == FieldId::remote_addr);
  CHECK(field_id("X_Forwarded_For") == FieldId::underscore_twin);
  CHECK(field_id("X-Forwarded_For") == FieldId::underscore_twin);
  CHECK(field_id("x_forwarded_whatever_it_may_be_called") == FieldId::underscore_twin);
  CHECK(field_id("Content_Length") == FieldId::underscore_twin);
  CHECK(field_id("transfer_encoding") == FieldId::underscore_twin);
  CHECK(field_id("X_Request_ID") == FieldId::underscore_twin);
  CHECK(field_id("X_Real_IP") == FieldId::underscore_twin);
  CHECK(field_id("My_Header") == FieldId::other);
  CHECK(field_id("Hos") == FieldId::other);
  CHECK(field_id("Hosts") == FieldId::other);
  CHECK(field_id("H") == FieldId::other);
  CHECK(field_id("") == FieldId::other);
}

TEST_CASE("A field is recognised in a head as it is by its name alone") {
  const std::vector<std::string> names = {"Host",
                                          "hOST",
                                          "TE",
                                          "Te",
                                          "Date",
                                          "date",
                                          "Dates",
                                          "H",
                                          "Ho",
                                          "Hosts",
                                          "Age",
                                          "Range",
                                          "X-Request-ID",
                                          "x-real-ip",
                                          "X-Forwarded-For",
                                          "x-forwarded-foo",
                                          "X-Forwarded-",
                                          "X-SSL-Client-A",
                                          "X-SSL-Client-S-DN",
                                          "x-ssl-clientele",
                                          "X-Client-IP",
                                          "X",
                                          "x-y",
                                          "Remote-Addr",
                                          "REMOTE_ADDR",
                                          "Content_Type",
                                          "X_Real_IP",
                                          "Content-Length",
                                          "Content-Encoding",
                                          "Content-Type",
                                          "Transfer-Encoding",
                                          "Accept-Encoding",
                                          "Accept",
                                          "Sec-WebSocket-Key",
                                          "WWW-Authenticate",
                                          "Proxy-Connection",
                                          "Max-Forwards",
                                          "!#$%&'*+.^_`|~",
                                          "1",
                                          "h0st"};
  for (const std::string& name : names) {
    CAPTURE(name);
    // With bytes behind it, and as the last of the head.
    for (const std::string rest : {"\r\nBehind: it, so that sixteen bytes can be looked at\r\n", "\r\n"}) {
      const std::string bytes = "HTTP/1.1 200 OK\r\n" + name + ": 1" + rest + "\r\n";
      FieldList fields(4);
      ResponseHead head;
      HeadParser parser;
      REQUIRE(parser.parse_response(bytes, HeadLimits{}, fields, head) == ParseStatus::complete);
      CHECK(head.fields[0].name == name);
      CHECK(head.fields[0].id == azulb::http::field_id(name));
    }
  }
}

TEST_CASE("A response head is read") {
  const std::string bytes = "HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\nrest";
  for (std::size_t split = 0; split < bytes.size() - 4; ++split) {
    CAPTURE(split);
    HeadParser parser;
    FieldList fields(100);
    ResponseHead head;
    REQUIRE(parser.parse_response(bytes.substr(0, split), {}, fields, head) == ParseStatus::need_more);
    REQUIRE(parser.parse_response(bytes, {}, fields, head) == ParseStatus::complete);
    CHECK(head.status == 404);
    CHECK(head.reason == "Not Found");
    CHECK(head.version_minor == 1);
    REQUIRE(head.fields.size() == 1);
    CHECK(head.fields[0].value == "x");
    CHECK(parser.head_length() == bytes.size() - 4);
  }
}

TEST_CASE("Good responses are taken") {
  for (const char* bytes :
       {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.5 200 OK\r\n\r\n",
        "HTTP/1.1 100 \r\n\r\n", "HTTP/1.1 599 a\tb \x80\r\n\r\n", "HTTP/1.1 299  \r\nA: b\r\n\r\n"}) {
    CAPTURE(bytes);
    CHECK(response(bytes).status == ParseStatus::complete);
  }
}

TEST_CASE("Bad responses are refused at their first wrong byte") {
  const std::vector<Case> cases = {
      {"\r", Defect::bad_version},
      {"\n", Defect::bare_lf},
      {"h", Defect::bad_version},
      {"HTTP/2", Defect::unsupported_version},
      {"HTTP/0", Defect::unsupported_version},
      {"HTTP/1.\x01", Defect::control_byte},
      {"HTTP/1.12", Defect::bad_status_line},
      {"HTTP/1.1  ", Defect::bad_status_line},
      {"HTTP/1.1\t", Defect::bad_status_line},
      {"HTTP/1.1\r", Defect::bad_status_line},
      {"HTTP/1.1 0", Defect::bad_status_line},
      {"HTTP/1.1 6", Defect::bad_status_line},
      {"HTTP/1.1 -", Defect::bad_status_line},
      {"HTTP/1.1 2x", Defect::bad_status_line},
      {"HTTP/1.1 20 ", Defect::bad_status_line},
      {"HTTP/1.1 2000", Defect::bad_status_line},
      {"HTTP/1.1 200\r", Defect::bad_status_line},  // the space is required even where the reason is empty
      {"HTTP/1.1 200\n", Defect::bare_lf},
      {"HTTP/1.1 200 OK\n", Defect::bare_lf},
      {"HTTP/1.1 200 O\0"s, Defect::control_byte},
      {"HTTP/1.1 200 O\x7F", Defect::control_byte},
      {"HTTP/1.1 200 OK\rX", Defect::bare_cr},
      {"HTTP/1.1 200 OK\r\n x", Defect::obs_fold},
      {"HTTP/1.1 200 OK\r\nA: b\r\n\t", Defect::obs_fold},
      {"HTTP/1.1 200 OK\r\nA : b", Defect::space_before_colon},
      {"HTTP/1.1 200 OK\r\nnothing\r", Defect::missing_colon},
      {"HTTP/1.1 200 OK\r\n: b", Defect::empty_field_name},
      {"HTTP/1.1 200 OK\r\nA: b\n", Defect::bare_lf},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.bytes);
    const Verdict verdict = response(bad.bytes);
    CHECK(verdict.status == ParseStatus::error);
    CHECK(azulb::http::defect_word(verdict.defect) == azulb::http::defect_word(bad.defect));
  }
}

TEST_CASE("A status line longer than the limit is refused") {
  CHECK(response("HTTP/1.1 200 " + std::string(64 - 13, 'r') + "\r\n\r\n").status == ParseStatus::complete);
  CHECK(response("HTTP/1.1 200 " + std::string(65 - 13, 'r') + "\r\n\r\n").defect ==
        Defect::status_line_too_long);
}

TEST_CASE("Every defect has a word of its own and a client's status") {
  std::vector<std::string_view> words;
  for (int i = 1; i <= static_cast<int>(Defect::bad_upgrade_response); ++i) {
    const auto defect = static_cast<Defect>(i);
    for (const std::string_view word : words)
      CHECK(word != azulb::http::defect_word(defect));
    words.push_back(azulb::http::defect_word(defect));
    CHECK(azulb::http::defect_status(defect) >= 400);
  }
  CHECK(azulb::http::defect_status(Defect::none) == 0);
}
