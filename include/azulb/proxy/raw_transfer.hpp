// One direction of an exchange moved inside the kernel, while its bytes pass both codecs as they are.
#pragma once

#include <cstdint>

#include "azulb/http/stream.hpp"
#include "azulb/net/splice.hpp"

namespace azulb::proxy {

class Exchange;

enum class Direction : std::uint8_t { to_client, to_server };

/// Owned by its exchange, made for the first large body. One thread.
class RawTransfer final : private net::SpliceHandler {
 public:
  /// A body's rest below this is copied: a pipe would cost more system calls than it saves copying.
  static constexpr std::uint64_t least_bytes = 128 * 1024;

  /// Both streams, which have raw connections, may pass at least so many bytes as they are, and nothing is
  /// queued.
  static bool possible(http::StreamWriter& from, http::StreamWriter& to);

  RawTransfer(Exchange& exchange, Direction direction, http::StreamWriter& from, http::StreamWriter& to)
      : exchange_(exchange),
        direction_(direction),
        from_(from),
        to_(to),
        splice_(*from.raw_connection(), *to.raw_connection(), *this) {}

  /// At most `limit_bytes`. False: no pipe is to be had; the bytes come to the codec as before.
  bool start(std::uint64_t limit_bytes, bool until_quiet);
  bool running() const { return splice_.running(); }
  void cancel() { splice_.cancel(); }
  /// The stream bytes come from.
  http::StreamWriter& from() { return from_; }

 private:
  void on_spliced(std::uint64_t size_bytes, bool sink_behind) override;
  void on_splice_end() override;

  Exchange& exchange_;
  const Direction direction_;
  http::StreamWriter& from_;
  http::StreamWriter& to_;
  net::Splice splice_;
};

}  // namespace azulb::proxy
