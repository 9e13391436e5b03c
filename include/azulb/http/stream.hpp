// The two interfaces between a codec and what uses it, the same towards clients and towards servers. A stream
// is one request and its response on a connection; a WebSocket is a stream whose bytes are opaque once 101
// has passed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "azulb/http/defect.hpp"
#include "azulb/http/framing.hpp"
#include "azulb/http/head.hpp"
#include "azulb/http/head_writer.hpp"
#include "azulb/http/stored_request.hpp"

namespace azulb::net {
class Connection;
}

namespace azulb::http {

/// How a stream broke.
struct StreamFailure {
  enum class Kind : std::uint8_t {
    closed,     // the peer closed or reset the connection before the end
    malformed,  // it sent something invalid: `defect`
    stalled,    // it took no bytes for the write timeout
  };
  Kind kind = Kind::closed;
  Defect defect = Defect::none;
  int system_error = 0;
  /// Not one byte of an answer had come: what became of the request is known to nobody but the peer.
  bool unanswered = false;
  /// The server says that it has not acted upon the request, or it has never left: it may go again, whatever
  /// it is.
  bool refused = false;
};

/// A client's message that is no request.
struct BadRequest {
  Defect defect = Defect::none;
  std::uint32_t head_ms = 0;  // from its first byte until it was refused
  bool timed_out = false;     // the head did not come in time; `defect` is none
  StoredRequest request{};    // if the head could be parsed and only its rules were broken
};

/// What a codec tells about a stream, in this order: a head, body bytes, an end; or a failure at any time,
/// after which nothing follows. Called from the loop only, never from within a call to the writer. Any of
/// these may call the writer, also to abort.
class StreamReader {
 public:
  virtual ~StreamReader() = default;

  /// From a client's codec, once, first. The reader may keep the request.
  virtual void on_request(StoredRequest request);
  /// From a client's codec instead of `on_request`. The connection takes one response and is closed after it.
  virtual void on_bad_request(BadRequest bad);
  /// From a server's codec: any number of interim heads (`info.interim`), then one other. Valid during the
  /// call; fields may be marked `drop`.
  virtual void on_response(ResponseHead& head, const ResponseInfo& info);

  /// Never empty. Valid until the loop's current callback ends.
  virtual void on_body(std::span<const char> bytes) = 0;
  /// The message is complete; of a tunnel: the peer sends no more. Trailers may be marked `drop`.
  virtual void on_end(std::span<Field> trailers) = 0;
  virtual void on_failure(const StreamFailure& failure) = 0;
  /// Written bytes have left: `queued_bytes` is at or below the low mark.
  virtual void on_writable() = 0;
};

/// What a stream's user tells the codec. No call here calls back. After `abort`, or when both directions have
/// ended, the writer must not be used again.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;

  /// To a server, once. The codec sets what frames the message.
  virtual void write_request(const RequestHeadOut& head);
  /// To a client: any number of interim heads (100..199 but 101), then one other. A body of unknown length is
  /// `BodyKind::chunked`; the codec frames it as the client's version allows. With `head.close` the
  /// connection is not used for another request.
  virtual void write_response(const ResponseHeadOut& head);
  /// `bytes` stay valid until the loop's current callback ends.
  virtual void write_body(std::span<const char> bytes) = 0;
  /// Of a tunnel: half-closes.
  virtual void write_end(std::span<const Field> trailers) = 0;
  /// Sends off now what was written, for bytes that do not live until the callback's end.
  virtual void flush() = 0;
  /// Breaks the stream so that the peer does not take it for complete.
  virtual void abort() = 0;

  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  /// Written and not yet taken by the kernel.
  virtual std::size_t queued_bytes() const = 0;
  /// Of a client's stream: what was written since it opened, framing included. Also for the rest of the turn
  /// in which the stream ended.
  virtual std::uint64_t written_bytes() const;

  /// A plain connection over which, at this point of the stream, body bytes pass as they are, so that the
  /// kernel may move them; nullptr if there is none (framed, encrypted, multiplexed).
  virtual net::Connection* raw_connection() = 0;
  /// How many of the body's next bytes will come over `raw_connection` as they are; UINT64_MAX until the
  /// peer's end.
  virtual std::uint64_t raw_readable_bytes() const = 0;
  /// How many of the body's next bytes may be written to `raw_connection` as they are.
  virtual std::uint64_t raw_writable_bytes() const = 0;
  /// `size_bytes` were moved past the codec, from or to `raw_connection`.
  virtual void raw_read(std::uint64_t size_bytes) = 0;
  virtual void raw_written(std::uint64_t size_bytes) = 0;
  /// After the last `raw_read` of a body: the one call that calls back, with `on_end`, if the body is
  /// complete.
  virtual void end_raw_reading() = 0;
};

/// What stands above a client's codec: takes new streams, and learns of the connection's end.
class StreamAcceptor {
 public:
  virtual ~StreamAcceptor() = default;
  /// A request begins. The reader must live until its stream has ended both ways, failed or been aborted.
  virtual StreamReader& open_stream(StreamWriter& writer) = 0;
  /// The connection is closed and no stream is open on it. Last call.
  virtual void on_connection_closed() = 0;
};

}  // namespace azulb::http
