#include "server_callbacks.hpp"

#include <ctime>
#include <span>

#include "azulb/base/clock.hpp"

namespace azulb::tls {
namespace {

int choose_by_name(SSL* ssl, int*, void* argument) {
  const auto& parts = *static_cast<ServerParts*>(argument);
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  SSL_CTX* const context = name != nullptr ? parts.names.find(name) : nullptr;
  if (context == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(ssl, context);
  return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in,
                    unsigned in_length, void* argument) {
  const std::string& ours = static_cast<ServerParts*>(argument)->protocols;
  unsigned char* chosen = nullptr;
  const int result =
      SSL_select_next_proto(&chosen, length, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), in, in_length);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/// Of an X509: its response to staple.
int response_index() {
  static const int index = X509_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int staple_response(SSL* ssl, void*) {
  const X509* const certificate = SSL_get_certificate(ssl);
  if (certificate == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const auto* const stapled =
      static_cast<const StapledResponse*>(X509_get_ex_data(certificate, response_index()));
  const auto response = stapled != nullptr ? stapled->at(std::time(nullptr)) : nullptr;
  if (response == nullptr) return SSL_TLSEXT_ERR_NOACK;
  void* const copy = OPENSSL_memdup(response->der.data(), response->der.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response->der.size()));
  return SSL_TLSEXT_ERR_OK;
}

int prepare_ticket(SSL* ssl, unsigned char* name, unsigned char* initial_vector, EVP_CIPHER_CTX* cipher,
                   EVP_MAC_CTX* mac, int sealing) {
  auto* const parts = static_cast<ServerParts*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const int result = parts->ticket_keys->prepare(std::span<unsigned char, 16>(name, 16), initial_vector,
                                                 cipher, mac, sealing != 0, base::monotonic_ms());
  // In TLS 1.3 clients use a ticket once (RFC 8446 appendix C.4): without a new one every other connection
  // would not be resumed.
  const bool opened = sealing == 0 && result == 1;
  return opened && SSL_version(ssl) == TLS1_3_VERSION ? 2 : result;
}

/// A client's certificate is verified when its session begins; a resumed one must not outlive it.
SSL_TICKET_RETURN judge_ticket(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                               SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  const X509* const certificate = SSL_SESSION_get0_peer(session);
  if (certificate != nullptr && X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

bool set_stapled_response(X509* certificate, StapledResponse& response) {
  return X509_set_ex_data(certificate, response_index(), &response) == 1;
}

void set_callbacks(SSL_CTX* context, ServerParts& parts, bool session_tickets) {
  SSL_CTX_set_app_data(context, &parts);
  SSL_CTX_set_tlsext_servername_callback(context, choose_by_name);
  SSL_CTX_set_tlsext_servername_arg(context, &parts);
  SSL_CTX_set_tlsext_status_cb(context, staple_response);
  if (!parts.protocols.empty()) SSL_CTX_set_alpn_select_cb(context, choose_protocol, &parts);
  if (!session_tickets) return;
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, prepare_ticket);
  SSL_CTX_set_session_ticket_cb(context, nullptr, judge_ticket, nullptr);
}

}  // namespace azulb::tls
