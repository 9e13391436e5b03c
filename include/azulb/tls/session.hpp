// One TLS connection's cryptographic end, over a non-blocking descriptor: OpenSSL reads and writes the socket
// itself, nothing lies between.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "azulb/tls/handle.hpp"

namespace azulb::tls {

enum class IoStatus : std::uint8_t {
  done,
  want_read,   // nothing more until the socket is readable
  want_write,  // nothing more until the socket is writable
  end,         // the peer has ended its side: a close_notify, or a bare FIN where that is let pass
  failed,      // broken: `failure`, `system_error`
};

struct IoResult {
  IoStatus status;
  std::size_t size_bytes;  // moved; with any status but `done` the rest was not
};

/// Where a client's connections to one server keep what lets the next handshake be a short one. Outlives the
/// sessions that are given it.
struct Resumption {
  ResumableHandle latest;
};

/// Single-threaded; the context may be shared by threads. Errors are values; OpenSSL's error queue is left
/// empty.
class Session {
 public:
  /// Takes over `ssl`. `resumption` may be null.
  explicit Session(SSL* ssl, Resumption* resumption = nullptr);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// Keeps what this needs for as long as it lives.
  void keep(std::shared_ptr<const void> needed) { kept_ = std::move(needed); }
  /// Before anything else. The descriptor stays its owner's, and open for as long as the session is used.
  void attach(int descriptor) { descriptor_ = descriptor; }

  /// What a client begins with. Consumes nothing.
  enum class FirstByte : std::uint8_t {
    missing,  // it has not come yet
    tls,      // of a handshake; or there will be none, as the handshake will tell
    other,    // none of TLS: it probably speaks plain HTTP
  };
  /// Whether nothing has been read yet of a client, so that `first_byte` is to be asked before the handshake.
  bool awaits_first_byte() const { return !begun_ && SSL_is_server(ssl_) == 1; }
  FirstByte first_byte() const;

  /// Goes on with the handshake: done, want_read, want_write or failed.
  IoStatus shake_hands();
  /// Reads as much as there is and fits.
  IoResult read(std::span<char> room);
  /// Encrypts and sends. What was not sent must be offered again, first, and at least as much of it. `now_ms`
  /// steers the records' size: small after a pause, so that the peer can use the first ones early.
  IoResult write(std::span<const char> bytes, std::int64_t now_ms);
  /// Tells the peer that nothing follows (close_notify): done, also where that cannot be said any more, or
  /// want_write.
  IoStatus end_writing();

  /// The latest read emptied the socket, and nothing is held here, no end either: only an event brings more.
  bool drained() const { return drained_ && after_read_ == IoStatus::done && SSL_has_pending(ssl_) == 0; }
  /// Whether application bytes, or an end, can be read now. Takes in what else there is (tickets).
  bool has_input();

  // Once the handshake is done:
  /// The protocol that was agreed on (ALPN); empty = none.
  std::string_view application_protocol() const;
  /// "TLSv1.3".
  const char* version() const { return SSL_get_version(ssl_); }
  bool resumed() const { return SSL_session_reused(ssl_) == 1; }
  /// The subject of the peer's verified certificate (RFC 4514, "CN=app,O=Example"); empty = it gave none.
  std::string peer_subject() const;

  /// After `failed`: what failed, for the log; and the errno value, 0 if it was the protocol that broke.
  const std::string& failure() const { return failure_; }
  int system_error() const { return system_error_; }

 private:
  friend struct SocketBio;
  IoStatus judge(int result);
  static void on_info(const SSL* ssl, int where, int value);
  static int on_new_session(SSL* ssl, SSL_SESSION* session);
  friend class ClientContext;

  std::shared_ptr<const void> kept_;
  SSL* const ssl_;
  Resumption* const resumption_;
  int descriptor_ = -1;
  int system_error_ = 0;
  std::int64_t last_write_ms_ = 0;
  std::int64_t interludes_since_ms_ = 0;
  std::uint32_t interludes_ = 0;     // messages of TLS itself, once the handshake is done, within that second
  std::uint32_t record_bytes_ = 0;   // of the next record, at most
  std::uint32_t blocked_bytes_ = 0;  // of a write that has to be repeated: OpenSSL wants no fewer
  bool drained_ = false;
  bool flooded_ = false;                  // by interludes: no further byte is read
  bool begun_ = false;                    // the handshake
  bool standing_ = false;                 // the handshake is done
  IoStatus after_read_ = IoStatus::done;  // an end or failure met behind bytes that were returned first
  std::string failure_;
};

}  // namespace azulb::tls
