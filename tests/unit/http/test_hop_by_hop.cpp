#include <doctest/doctest.h>

#include "azulb/http/hop_by_hop.hpp"
#include "fixture.hpp"

using namespace azulb::http;

TEST_CASE("Hop-by-hop fields of a request stay behind, the others pass") {
  Request request("GET", "/",
                  {{"Host", "a"},
                   {"Connection", "keep-alive, X-Private"},
                   {"Keep-Alive", "timeout=5"},
                   {"Proxy-Connection", "keep-alive"},
                   {"TE", "trailers"},
                   {"Transfer-Encoding", "chunked"},
                   {"Upgrade", "h2c"},
                   {"HTTP2-Settings", "AAM"},
                   {"Expect", "100-continue"},
                   {"X-Private", "1"},
                   {"X_Forwarded_For", "1.1.1.1"},
                   {"Content_Length", "5"},
                   {"X-Public", "1"},
                   {"Trailer", "X-Sum"},
                   {"traceparent", "00-1-2-03"},
                   {"Cookie", "a=b"}});
  mark_hop_by_hop(request.head);
  for (const char* name :
       {"Host", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade",
        "HTTP2-Settings", "Expect", "X-Private", "X_Forwarded_For", "Content_Length"}) {
    CAPTURE(name);
    CHECK(dropped(request.head.fields, name));
  }
  for (const char* name : {"X-Public", "Trailer", "traceparent", "Cookie"}) {
    CAPTURE(name);
    CHECK_FALSE(dropped(request.head.fields, name));
  }
}

TEST_CASE("Connection names away only what a message can do without") {
  Request request("GET", "/",
                  {{"Connection", "Cookie, authorization, x-forwarded-for, Content-Type, X-Real-IP"},
                   {"Connection", "x-other"},
                   {"X-Other", "1"},
                   {"X-OTHER", "2"},
                   {"Cookie", "a=b"},
                   {"Authorization", "x"},
                   {"X-Forwarded-For", "1.1.1.1"},
                   {"Content-Type", "text/plain"}});
  mark_hop_by_hop(request.head);
  for (const Field& field : request.head.fields) {
    const bool gone = field.id == FieldId::connection || equal_ignore_case(field.name, "x-other");
    CAPTURE(field.name);
    CHECK(field.drop == gone);
  }
}

TEST_CASE("Trailer stays behind where no trailers follow") {
  Request request("POST", "/", {{"Trailer", "X"}, {"Content-Length", "1"}});
  mark_hop_by_hop(request.head);
  CHECK(dropped(request.head.fields, "Trailer"));
}

TEST_CASE("Hop-by-hop fields of a response stay behind") {
  Response response(200, {{"Connection", "close, X-Hop"},
                          {"X-Hop", "1"},
                          {"Content-Length", "3"},
                          {"Keep-Alive", "timeout=1"},
                          {"Server", "x"},
                          {"Set-Cookie", "a=b"},
                          {"My_Header", "1"},
                          {"X_Request_ID", "1"}});
  mark_hop_by_hop(response.head);
  for (const char* name : {"Connection", "X-Hop", "Content-Length", "Keep-Alive"}) {
    CHECK(dropped(response.head.fields, name));
  }
  for (const char* name : {"Server", "Set-Cookie", "My_Header", "X_Request_ID"}) {
    CHECK_FALSE(dropped(response.head.fields, name));
  }
}

TEST_CASE("Trailers may carry sums and timings, not framing, routing or credentials") {
  for (const char* name : {"Transfer-Encoding",
                           "content-length",
                           "Host",
                           "Connection",
                           "TE",
                           "Trailer",
                           "Upgrade",
                           "Authorization",
                           "Cookie",
                           "Set-Cookie",
                           "Proxy-Authorization",
                           "Proxy-Anything",
                           "X-Forwarded-For",
                           "X-Forwarded-New",
                           "X_Forwarded_For",
                           "X-Real-IP",
                           "REMOTE_ADDR",
                           "X-Request-ID",
                           "Content-Encoding",
                           "Content-Type",
                           "Content-Range",
                           "Content-Location",
                           "Cache-Control",
                           "Expect",
                           "Max-Forwards",
                           "Pragma",
                           "Range",
                           "Forwarded",
                           "If-Match",
                           "Accept",
                           "Accept-Encoding",
                           "Date",
                           "Age",
                           "Expires",
                           "Vary",
                           "Location",
                           "Retry-After",
                           "WWW-Authenticate",
                           "Sec-WebSocket-Key",
                           "Keep-Alive"}) {
    CAPTURE(name);
    CHECK_FALSE(trailer_may_pass(make_field(name, "x")));
  }
  for (const char* name :
       {"X-Checksum", "Server-Timing", "grpc-status", "ETag", "Content-Digest", "Content-MD5"}) {
    CAPTURE(name);
    CHECK(trailer_may_pass(make_field(name, "x")));
  }
  Field trailers[] = {make_field("Host", "x"), make_field("X-Sum", "y")};
  mark_trailers(trailers);
  CHECK(trailers[0].drop);
  CHECK_FALSE(trailers[1].drop);
}
