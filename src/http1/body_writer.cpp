#include "azulb/http1/body_writer.hpp"

#include <string_view>

#include "azulb/base/assert.hpp"
#include "azulb/http/head_writer.hpp"

namespace azulb::http1 {

using http::BodyKind;

namespace {

void write_trailers(net::Connection& connection, std::span<const http::Field> trailers) {
  connection.write(std::string_view("0\r\n"));
  // Trailers are bounded by the decoder's limits, far below the scratch.
  const std::span<char> room = connection.write_scratch(net::Gather::scratch_bytes / 2);
  connection.commit_scratch(http::write_trailers(trailers, room.data(), room.size()));
}

}  // namespace

void BodyWriter::begin(BodyKind kind, std::uint64_t content_length) {
  extent_.kind = kind;
  extent_.remaining = kind == BodyKind::length ? content_length : 0;
}

void BodyWriter::write(net::Connection& connection, std::span<const char> bytes) {
  if (bytes.empty() || !connection.open()) return;
  switch (extent_.kind) {
    case BodyKind::none:
      return;  // the head promised no body
    case BodyKind::length:
      AZULB_ASSERT(bytes.size() <= extent_.remaining);
      extent_.remaining -= bytes.size();
      connection.write(bytes);
      return;
    case BodyKind::until_close:
      connection.write(bytes);
      return;
    case BodyKind::chunked: {
      constexpr std::size_t size_line_limit = 18;
      const std::span<char> room = connection.write_scratch(size_line_limit);
      connection.commit_scratch(http::write_chunk_size(bytes.size(), room.data()));
      connection.write(bytes);
      connection.write(std::string_view("\r\n"));
      return;
    }
  }
}

bool BodyWriter::end(net::Connection& connection, std::span<const http::Field> trailers) {
  const bool whole = extent_.remaining == 0;
  if (extent_.kind == BodyKind::chunked && connection.open()) {
    if (trailers.empty()) {
      connection.write(std::string_view("0\r\n\r\n"));
    } else {
      write_trailers(connection, trailers);
    }
  }
  extent_.kind = BodyKind::none;
  extent_.remaining = 0;
  return whole;
}

}  // namespace azulb::http1
