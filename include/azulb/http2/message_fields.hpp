// A head, or trailers, as nghttp2 takes them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/http/head_writer.hpp"

namespace azulb::http2 {

/// One per worker; what it holds is of use until the next call. Allocates only to grow.
class MessageFields {
 public:
  /// With the head's fields but those of a connection, which HTTP/2 forbids (RFC 9113 section 8.2.2). nghttp2
  /// writes names in lower case.
  void set_response(const http::ResponseHeadOut& head);
  /// As an HTTP/2 request (RFC 9113 section 8.3.1); an upgrade to WebSocket as an extended CONNECT (RFC
  /// 8441), any other is left out, as a server may ignore it.
  void set_request(const http::RequestHeadOut& head, std::string_view scheme);
  void set_trailers(std::span<const http::Field> trailers);

  const nghttp2_nv* data() const { return fields_.data(); }
  std::size_t size() const { return fields_.size(); }
  /// Names and values before compression.
  std::size_t text_bytes() const { return text_bytes_; }

 private:
  void clear();
  void add(std::string_view name, std::string_view value, std::uint8_t flags = NGHTTP2_NV_FLAG_NONE);
  void add(const http::Field& field);
  void add_length(std::uint64_t length);
  void add_target(const http::RequestHeadOut& head);
  void add_kept(std::span<const http::Field> fields);

  std::vector<nghttp2_nv> fields_;
  std::array<char, 4> status_{};
  std::array<char, 20> length_{};
  std::string target_;
  std::string forwarded_for_;
  std::size_t text_bytes_ = 0;
};

}  // namespace azulb::http2
