// How OpenSSL reads and writes a session's socket: one system call each, never a signal.
#pragma once

#include <openssl/bio.h>

namespace azulb::tls {

class Session;

struct SocketBio {
  /// For SSL_set_bio, which frees it.
  static BIO* create(Session& session);

 private:
  static const BIO_METHOD* method();
  static int read(BIO* bio, char* out, int size_bytes);
  static int write(BIO* bio, const char* bytes, int size_bytes);
  static long control(BIO* bio, int command, long number, void* pointer);
};

}  // namespace azulb::tls
