#include "context.hpp"

#include "azulb/base/assert.hpp"

namespace azulb::tls {

bool set_defaults(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(context, 1);
  return SSL_CTX_set1_groups_list(context, key_exchange_groups) == 1;
}

bool use_credentials(SSL_CTX* context, const Credentials& credentials) {
  if (SSL_CTX_use_certificate(context, credentials.certificate.get()) != 1) return false;
  if (SSL_CTX_use_PrivateKey(context, credentials.key.get()) != 1) return false;
  SSL_CTX_clear_chain_certs(context);
  for (const CertificateHandle& certificate : credentials.chain) {
    if (SSL_CTX_add1_chain_cert(context, certificate.get()) != 1) return false;
  }
  return true;
}

std::string protocol_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) {
    AZULB_ASSERT(!protocol.empty() && protocol.size() < 256);
    list += static_cast<char>(protocol.size());
    list += protocol;
  }
  return list;
}

}  // namespace azulb::tls
