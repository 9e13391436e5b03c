// An HTTP/1 message as it arrives: its head, then its body (none, so many bytes, chunks, or all until the end
// of the connection). Head and chunks share their memory, since they follow one another: an idle tunnel holds
// two of these.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "azulb/http/framing.hpp"
#include "azulb/http/stream.hpp"
#include "azulb/http1/body_extent.hpp"
#include "azulb/http1/chunked_decoder.hpp"
#include "azulb/http1/head_parser.hpp"

namespace azulb::http1 {

class MessageReader {
 public:
  enum class Status : std::uint8_t { need_more, complete, error, paused };

  MessageReader() : head_() {}

  /// The next thing to come is a head.
  void begin_head();
  /// From `begin_head` until `begin`.
  HeadParser& head() { return head_; }
  const HeadParser& head() const { return head_; }

  /// The head is complete; what comes is its body.
  void begin(http::BodyKind kind, std::uint64_t content_length);
  /// The reader wants no more of it; also from within its `on_body`, which is then the last.
  void stop() { begin(http::BodyKind::none, 0); }

  /// Passes body bytes from the front of `bytes` on to `reader` and takes them off. Stops early with `paused`
  /// when `connection` is paused or closed, or the body stopped, in a callback. With `complete` the reader
  /// has not been told yet: the trailers lie in `trailers`.
  Status read(std::string_view& bytes, const net::Connection& connection, http::StreamReader& reader,
              http::FieldList& trailers);

  http::BodyKind kind() const { return extent_.kind; }
  bool complete() const;
  /// After `error`.
  http::Defect defect() const { return decoder_.defect(); }

  /// See StreamWriter::raw_readable_bytes and raw_read.
  std::uint64_t raw_bytes() const { return extent_.raw_bytes(); }
  void skip(std::uint64_t size_bytes) { extent_.skip(size_bytes); }

 private:
  BodyExtent extent_;
  // Which one is alive follows from its kind: the decoder for chunks, the parser for everything else.
  union {
    HeadParser head_;
    ChunkedDecoder decoder_;
  };
};

}  // namespace azulb::http1
