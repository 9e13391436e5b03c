// How far a message's body still goes, in either direction.
#pragma once

#include <cstdint>
#include <limits>

#include "azulb/base/assert.hpp"
#include "azulb/http/framing.hpp"

namespace azulb::http1 {

struct BodyExtent {
  http::BodyKind kind = http::BodyKind::none;
  std::uint64_t remaining = 0;  // of BodyKind::length

  /// Bytes that follow as the body's own and may pass inside the kernel.
  std::uint64_t raw_bytes() const {
    switch (kind) {
      case http::BodyKind::length:
        return remaining;
      case http::BodyKind::until_close:
        return std::numeric_limits<std::uint64_t>::max();
      case http::BodyKind::none:
      case http::BodyKind::chunked:  // sizes stand between the bytes
        return 0;
    }
    return 0;
  }

  /// So many of them have passed.
  void skip(std::uint64_t size_bytes) {
    if (kind != http::BodyKind::length) return;
    AZULB_ASSERT(size_bytes <= remaining);
    remaining -= size_bytes;
  }
};

}  // namespace azulb::http1
