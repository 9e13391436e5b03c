#include <doctest/doctest.h>

#include <string>

#include "azulb/http2/message_fields.hpp"

using namespace azulb;

namespace {

std::string written(const http2::MessageFields& fields) {
  std::string all;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const nghttp2_nv& field = fields.data()[i];
    all.append(reinterpret_cast<const char*>(field.name), field.namelen).append("=");
    all.append(reinterpret_cast<const char*>(field.value), field.valuelen).append(";");
  }
  return all;
}

}  // namespace

TEST_CASE("a head is status, the server's fields, ours, date and length") {
  http::Field server[] = {http::make_field("Content-Type", "text/plain"), http::make_field("X-Gone", "1")};
  server[1].drop = true;
  const http::Field own[] = {http::make_field("Server", "azulb")};
  http::ResponseHeadOut head;
  head.status = 404;
  head.fields = server;
  head.own = own;
  head.date = "today";
  head.body = http::BodyKind::length;
  head.content_length = 12;
  http2::MessageFields fields;
  fields.set_response(head);
  CHECK(written(fields) == ":status=404;Content-Type=text/plain;Server=azulb;date=today;content-length=12;");
  CHECK(fields.text_bytes() > 60);
}

TEST_CASE("an identifier that each request has of its own stays out of HPACK's table") {
  http::Field server[] = {http::make_field("X-Request-Id", "abc"), http::make_field("Etag", "1")};
  http::ResponseHeadOut head;
  head.fields = server;
  http2::MessageFields fields;
  fields.set_response(head);
  REQUIRE(fields.size() >= 3);
  CHECK(fields.data()[1].flags == NGHTTP2_NV_FLAG_NO_INDEX);
  CHECK(fields.data()[2].flags == NGHTTP2_NV_FLAG_NONE);
}

TEST_CASE("a server's date stays, and no length is written for a body of unknown length") {
  const http::Field server[] = {http::make_field("Date", "yesterday")};
  http::ResponseHeadOut head;
  head.fields = server;
  head.date = "today";
  head.body = http::BodyKind::chunked;
  head.close = true;
  http2::MessageFields fields;
  fields.set_response(head);
  CHECK(written(fields) == ":status=200;Date=yesterday;");
}

TEST_CASE("what concerns a connection is never written, even if nobody has marked it") {
  const http::Field server[] = {http::make_field("Connection", "x"),
                                http::make_field("Keep-Alive", "x"),
                                http::make_field("Proxy-Connection", "x"),
                                http::make_field("Transfer-Encoding", "chunked"),
                                http::make_field("Upgrade", "h2c"),
                                http::make_field("TE", "trailers"),
                                http::make_field("Sec-WebSocket-Accept", "x"),
                                http::make_field("X-Kept", "x")};
  http::ResponseHeadOut head;
  head.fields = server;
  http2::MessageFields fields;
  fields.set_response(head);
  CHECK(written(fields) == ":status=200;X-Kept=x;");
  fields.set_trailers(server);
  CHECK(written(fields) == "X-Kept=x;");
}
