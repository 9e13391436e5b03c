// The body of an HTTP/1 message as it is sent: framed anew, never with the framing bytes it arrived in.
#pragma once

#include <cstdint>
#include <span>

#include "azulb/http/framing.hpp"
#include "azulb/http1/body_extent.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::http1 {

/// Of one connection, which is given with each call.
class BodyWriter {
 public:
  void begin(http::BodyKind kind, std::uint64_t content_length);
  void write(net::Connection& connection, std::span<const char> bytes);
  /// Ends the body. True if it was whole: a body of a known length has all its bytes.
  bool end(net::Connection& connection, std::span<const http::Field> trailers);

  std::uint64_t raw_bytes() const { return extent_.raw_bytes(); }
  void skip(std::uint64_t size_bytes) { extent_.skip(size_bytes); }

 private:
  BodyExtent extent_;
};

}  // namespace azulb::http1
