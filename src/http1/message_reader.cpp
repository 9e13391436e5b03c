#include "azulb/http1/message_reader.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "azulb/base/assert.hpp"
#include "azulb/net/connection.hpp"

namespace azulb::http1 {

using http::BodyKind;

static_assert(std::is_trivially_copyable_v<HeadParser> && std::is_trivially_copyable_v<ChunkedDecoder>);

void MessageReader::begin_head() {
  kind_ = BodyKind::none;
  remaining_ = 0;
  head_ = HeadParser{};
}

void MessageReader::begin(BodyKind kind, std::uint64_t content_length) {
  kind_ = kind;
  remaining_ = kind == BodyKind::length ? content_length : 0;
  if (kind == BodyKind::chunked) decoder_ = ChunkedDecoder{};
}

bool MessageReader::complete() const {
  switch (kind_) {
    case BodyKind::none:
      return true;
    case BodyKind::length:
      return remaining_ == 0;
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
  if (kind_ == BodyKind::chunked) {
    for (;;) {
      if (!connection.open() || connection.reading_paused() || kind_ != BodyKind::chunked)
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
  if (kind_ == BodyKind::length) {
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, remaining_));
    remaining_ -= size;
  }
  const std::string_view body = bytes.substr(0, size);
  bytes.remove_prefix(size);
  if (!body.empty()) reader.on_body(body);
  if (!connection.open()) return Status::paused;
  return complete() ? Status::complete : Status::need_more;
}

std::uint64_t MessageReader::raw_bytes() const {
  switch (kind_) {
    case BodyKind::none:
      return 0;
    case BodyKind::length:
      return remaining_;
    case BodyKind::chunked:
      return 0;  // sizes stand between the bytes
    case BodyKind::until_close:
      return std::numeric_limits<std::uint64_t>::max();
  }
  return 0;
}

void MessageReader::skip(std::uint64_t size_bytes) {
  if (kind_ != BodyKind::length) return;
  AZULB_ASSERT(size_bytes <= remaining_);
  remaining_ -= size_bytes;
}

}  // namespace azulb::http1
