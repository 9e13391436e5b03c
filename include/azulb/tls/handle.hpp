// Owners of OpenSSL's objects.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace azulb::tls {

template <auto free_function>
struct HandleDeleter {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};

template <typename T, auto free_function>
using Handle = std::unique_ptr<T, HandleDeleter<free_function>>;

using ContextHandle = Handle<SSL_CTX, SSL_CTX_free>;
using CertificateHandle = Handle<X509, X509_free>;
using KeyHandle = Handle<EVP_PKEY, EVP_PKEY_free>;
using ResumableHandle = Handle<SSL_SESSION, SSL_SESSION_free>;

}  // namespace azulb::tls
