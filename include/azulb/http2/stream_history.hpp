// What became of a connection's latest streams, for frames that come after their end: RFC 9113 section 5.1
// tells apart streams that the client ended itself, that were never opened, and that we ended while it was
// still sending.
#pragma once

#include <cstdint>

namespace azulb::http2 {

/// Remembers the 64 latest numbers a client could have used. Two words.
class StreamHistory {
 public:
  enum class Past : std::uint8_t {
    unknown,  // too long ago, or ended by us: late frames are to be expected
    skipped,  // never opened, and a later one was
    ended,    // by the client, which knows that it may send nothing more
  };

  /// The client has begun it, whether it is served or refused. One not later than the latest means nothing.
  void opened(std::int32_t stream_id) {
    if (stream_id % 2 == 0 || (latest_ != UINT32_MAX && static_cast<std::uint32_t>(stream_id) <= latest_))
      return;
    const std::uint32_t steps = (static_cast<std::uint32_t>(stream_id) - latest_) / 2;
    opened_ = shifted(opened_, steps) | 1U;
    ended_ = shifted(ended_, steps);
    latest_ = static_cast<std::uint32_t>(stream_id);
  }
  bool later_than_all(std::int32_t stream_id) const {
    return latest_ == UINT32_MAX || static_cast<std::uint32_t>(stream_id) > latest_;
  }
  void ended_by_client(std::int32_t stream_id) {
    if (remembers(stream_id)) ended_ |= bit(stream_id);
  }
  /// Of a stream that is not open now.
  Past past(std::int32_t stream_id) const {
    if (!remembers(stream_id)) return Past::unknown;
    if ((opened_ & bit(stream_id)) == 0) return Past::skipped;
    return (ended_ & bit(stream_id)) != 0 ? Past::ended : Past::unknown;
  }

 private:
  static std::uint64_t shifted(std::uint64_t set, std::uint32_t steps) {
    return steps < 64 ? set << steps : 0;
  }
  bool remembers(std::int32_t stream_id) const {
    const auto id = static_cast<std::uint32_t>(stream_id);
    return id % 2 == 1 && latest_ != UINT32_MAX && id <= latest_ && (latest_ - id) / 2 < 64;
  }
  std::uint64_t bit(std::int32_t stream_id) const {
    return std::uint64_t{1} << ((latest_ - static_cast<std::uint32_t>(stream_id)) / 2);
  }

  std::uint64_t opened_ = 0;  // bit n: the number n steps before the latest
  std::uint64_t ended_ = 0;
  std::uint32_t latest_ = UINT32_MAX;  // as if -1 had been used: stream 1 is one step from there
};

}  // namespace azulb::http2
