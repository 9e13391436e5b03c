#include "socket_bio.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "azulb/base/assert.hpp"
#include "azulb/tls/session.hpp"

namespace azulb::tls {
namespace {

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

}  // namespace

int SocketBio::read(BIO* bio, char* out, int size_bytes) {
  auto* const session = static_cast<Session*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (session->flooded_) return -1;
  ssize_t count;
  do {
    count = recv(session->descriptor_, out, static_cast<std::size_t>(size_bytes), 0);
  } while (count < 0 && errno == EINTR);
  session->drained_ = count < size_bytes;
  if (count < 0 && would_block()) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

int SocketBio::write(BIO* bio, const char* bytes, int size_bytes) {
  auto* const session = static_cast<Session*>(BIO_get_data(bio));
  ssize_t count;
  do {
    count = send(session->descriptor_, bytes, static_cast<std::size_t>(size_bytes), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  BIO_clear_retry_flags(bio);
  if (count < 0 && would_block()) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

long SocketBio::control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
      return 0;
  }
}

const BIO_METHOD* SocketBio::method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "azulb socket");
    AZULB_ASSERT(made != nullptr);
    BIO_meth_set_read(made, read);
    BIO_meth_set_write(made, write);
    BIO_meth_set_ctrl(made, control);
    return made;
  }();
  return method;
}

BIO* SocketBio::create(Session& session) {
  BIO* const bio = BIO_new(method());
  AZULB_ASSERT(bio != nullptr);
  BIO_set_data(bio, &session);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace azulb::tls
