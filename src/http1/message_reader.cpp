#include "azulb/http1/message_reader.hpp"

#include <algorithm>
#include <type_traits>

#include "azulb/net/connection.hpp"

namespace azulb::http1 {

using http::BodyKind;

static_assert(std::is_trivially_copyable_v<HeadParser> && std::is_trivially_copyable_v<ChunkedDecoder>);

void MessageReader::begin_head() {
  extent_.kind = BodyKind::none;
  extent_.remaining = 0;
  head_ = HeadParser{};
}

void MessageReader::begin(BodyKind kind, std::uint64_t content_length) {
  extent_.kind = kind;
  extent_.remaining = kind == BodyKind::length ? content_length : 0;
  if (kind == BodyKind::chunked) decoder_ = ChunkedDecoder{};
}

bool MessageReader::complete() const {
  switch (extent_.kind) {
    case BodyKind::none:
      return true;
    case BodyKind::length:
      return extent_.remaining == 0;
    case BodyKind::chunked:
      return decoder_.done();
    case BodyKind::until_close:
      return false;
  }
  return false;
}

MessageReader::Status MessageReader::read(std::string_view& bytes, const net::Connection& connection,
                                          http::StreamReader& reader, http::FieldList& trailers) {
  trailers.clear();
  if (extent_.kind == BodyKind::chunked) {
    for (;;) {
      if (!connection.open() || connection.reading_paused() || extent_.kind != BodyKind::chunked)
        return Status::paused;
      const ChunkedDecoder::Step step = decoder_.next(bytes, trailers);
      bytes.remove_prefix(step.consumed);
      switch (step.event) {
        case ChunkedDecoder::Event::data:
          reader.on_body(step.data);
          break;
        case ChunkedDecoder::Event::need_more:
          return Status::need_more;
        case ChunkedDecoder::Event::done:
          return Status::complete;
        case ChunkedDecoder::Event::error:
          return Status::error;
      }
    }
  }
  if (complete()) return Status::complete;
  std::size_t size = bytes.size();
  if (extent_.kind == BodyKind::length) {
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, extent_.remaining));
    extent_.remaining -= size;
  }
  const std::string_view body = bytes.substr(0, size);
  bytes.remove_prefix(size);
  if (!body.empty()) reader.on_body(body);
  if (!connection.open()) return Status::paused;
  return complete() ? Status::complete : Status::need_more;
}

}  // namespace azulb::http1
