// The body of an HTTP/1 message as it is sent: framed anew, never with the framing bytes it arrived in.
#pragma once

#include <cstdint>
#include <span>

#include "azulb/http/framing.hpp"
#include "azulb/http1/body_extent.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::http1 {

class BodyWriter {
 public:
  explicit BodyWriter(net::Connection& connection) : connection_(connection) {}

  void begin(http::BodyKind kind, std::uint64_t content_length);
  void write(std::span<const char> bytes);
  /// Ends the body. True if it was whole: a body of a known length has all its bytes.
  bool end(std::span<const http::Field> trailers);

  std::uint64_t raw_bytes() const { return extent_.raw_bytes(); }
  void skip(std::uint64_t size_bytes) { extent_.skip(size_bytes); }

 private:
  void write_trailers(std::span<const http::Field> trailers);

  net::Connection& connection_;
  BodyExtent extent_;
};

}  // namespace azulb::http1
