#include "azulb/tls/session.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/tls/error.hpp"
#include "socket_bio.hpp"

namespace azulb::tls {
namespace {

// The first record after a pause fits a TCP segment, so that the peer can decrypt it as soon as that comes;
// each further one is twice as large, up to the most there is.
constexpr std::uint32_t first_record_bytes = 1369;
constexpr std::uint32_t largest_record_bytes = 16 * 1024;
constexpr std::int64_t pause_ms = 1000;

// OpenSSL reads on past what TLS says for itself (key updates, or attempts to renegotiate) until application
// bytes come or the socket is empty. One peer could keep it, and the thread, at that for good. Tickets come
// so, too.
constexpr std::uint32_t interludes_per_second = 100;

constexpr char handshake_record = 22;  // the first byte of a ClientHello's record (RFC 8446 section 5.1)

/// Empties a key that OpenSSL would keep to the connection's end though nothing needs it any more.
void empty(EVP_PKEY* key) {
  if (key == nullptr) return;
  // What was in it goes; any type will do.
  if (EVP_PKEY_set_type(key, EVP_PKEY_X25519) != 1) ERR_clear_error();
  EVP_PKEY_free(key);
}

/// Those of the key exchange: 0.4 KB of an idle connection with X25519, 4 KB with P-256.
void empty_exchanged_keys(SSL* ssl) {
  EVP_PKEY* key = nullptr;
  if (SSL_get_tmp_key(ssl, &key) == 1) empty(key);
  key = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &key) == 1) empty(key);
}

}  // namespace

Session::Session(SSL* ssl, Resumption* resumption) : ssl_(ssl), resumption_(resumption) {
  if (resumption != nullptr) SSL_set_app_data(ssl_, this);
  SSL_set_info_callback(ssl_, on_info);
  BIO* const bio = SocketBio::create(*this);
  SSL_set_bio(ssl_, bio, bio);
}

Session::~Session() {
  // Without this OpenSSL forgets a resumable session whose connection was closed without ceremony.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

Session::FirstByte Session::first_byte() const {
  char first = 0;
  const ssize_t count = recv(descriptor_, &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count == 1) return first == handshake_record ? FirstByte::tls : FirstByte::other;
  const bool to_come = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  return to_come ? FirstByte::missing : FirstByte::tls;
}

IoStatus Session::shake_hands() {
  begun_ = true;
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    standing_ = true;
    empty_exchanged_keys(ssl_);
    SSL_set_tlsext_status_ocsp_resp(ssl_, nullptr, 0);  // it has been shown
    ERR_clear_error();  // what was tried in vain on the way (a ticket, a chain) must not be blamed later
    return IoStatus::done;
  }
  const IoStatus status = judge(result);
  if (status != IoStatus::end) return status;
  failure_ = "closed during the handshake";
  return IoStatus::failed;
}

IoResult Session::read(std::span<char> room) {
  if (after_read_ != IoStatus::done) return {after_read_, 0};
  std::size_t total = 0;
  while (total < room.size()) {
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_, room.data() + total, room.size() - total, &count);
    if (result != 1) {
      const IoStatus status = judge(result);
      if (status == IoStatus::end || status == IoStatus::failed) after_read_ = status;
      return {total > 0 ? IoStatus::done : status, total};
    }
    total += count;
    if (drained()) break;
  }
  return {IoStatus::done, total};
}

bool Session::has_input() {
  if (after_read_ != IoStatus::done) return true;
  char byte;
  std::size_t count = 0;
  const int result = SSL_peek_ex(ssl_, &byte, 1, &count);
  if (result == 1) return true;
  const IoStatus status = judge(result);
  if (status == IoStatus::end || status == IoStatus::failed) after_read_ = status;
  return after_read_ != IoStatus::done;
}

IoResult Session::write(std::span<const char> bytes, std::int64_t now_ms) {
  if (record_bytes_ == 0 || now_ms - last_write_ms_ > pause_ms) record_bytes_ = first_record_bytes;
  last_write_ms_ = now_ms;
  std::size_t total = 0;
  while (total < bytes.size()) {
    const std::size_t wanted = std::max(record_bytes_, blocked_bytes_);
    const std::size_t size = std::min(bytes.size() - total, wanted);
    AZULB_ASSERT(size >= blocked_bytes_);
    std::size_t count = 0;
    const int result = SSL_write_ex(ssl_, bytes.data() + total, size, &count);
    if (result != 1) {
      const IoStatus status = judge(result);
      blocked_bytes_ = status == IoStatus::failed ? 0 : static_cast<std::uint32_t>(size);
      return {status, total};
    }
    blocked_bytes_ = 0;
    total += count;
    record_bytes_ = std::min(2 * record_bytes_, largest_record_bytes);
  }
  return {IoStatus::done, total};
}

IoStatus Session::end_writing() {
  if (!standing_ || !failure_.empty() || blocked_bytes_ != 0) return IoStatus::done;
  const int result = SSL_shutdown(ssl_);
  const bool blocked = result < 0 && SSL_get_error(ssl_, result) == SSL_ERROR_WANT_WRITE;
  ERR_clear_error();
  return blocked ? IoStatus::want_write : IoStatus::done;
}

void Session::on_info(const SSL* ssl, int where, int) {
  auto& self = *static_cast<Session*>(BIO_get_data(SSL_get_rbio(ssl)));
  if (!self.standing_ || (where & (SSL_CB_LOOP | SSL_CB_ALERT)) == 0) return;
  const std::int64_t now_ms = base::monotonic_ms();
  if (now_ms - self.interludes_since_ms_ >= 1000) {
    self.interludes_since_ms_ = now_ms;
    self.interludes_ = 0;
  }
  if (++self.interludes_ > interludes_per_second) self.flooded_ = true;
}

IoStatus Session::judge(int result) {
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return IoStatus::want_read;
    case SSL_ERROR_WANT_WRITE:
      return IoStatus::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return IoStatus::end;
    case SSL_ERROR_SYSCALL:
      if (flooded_) {
        failure_ = "too many key updates or alerts";
        break;
      }
      system_error_ = saved_errno != 0 ? saved_errno : ECONNRESET;
      failure_ = std::generic_category().message(system_error_);
      break;
    default:
      if (const long verified = SSL_get_verify_result(ssl_);
          !standing_ && verified != X509_V_OK && SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE) {
        failure_ = std::string("the certificate is not accepted: ") + X509_verify_cert_error_string(verified);
      } else {
        failure_ = take_error_text();
      }
      break;
  }
  ERR_clear_error();
  return IoStatus::failed;
}

std::string_view Session::application_protocol() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_, &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

std::string Session::peer_subject() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return {};
  const Handle<BIO, BIO_free> out(BIO_new(BIO_s_mem()));
  // Control characters and what is not ASCII come out escaped: the text goes into a header field.
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  const char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return length > 0 ? std::string(text, static_cast<std::size_t>(length)) : std::string();
}

int Session::on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* const self = static_cast<Session*>(SSL_get_app_data(ssl));
  if (self == nullptr || self->resumption_ == nullptr) return 0;
  self->resumption_->latest.reset(session);
  return 1;  // it is ours now
}

}  // namespace azulb::tls
