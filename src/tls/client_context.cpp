#include "azulb/tls/client_context.hpp"

#include <openssl/x509v3.h>

#include <utility>

#include "azulb/base/address.hpp"
#include "azulb/tls/error.hpp"
#include "azulb/tls/files.hpp"
#include "context.hpp"

namespace azulb::tls {
namespace {

base::Result<void> set_trust(SSL_CTX* context, const ClientSettings& settings) {
  SSL_CTX_set_verify(context, settings.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!settings.verify) return {};
  if (settings.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1)
      return failure("cannot use the system's certificates");
    return {};
  }
  if (SSL_CTX_load_verify_file(context, settings.ca.c_str()) != 1)
    return failure("cannot use " + settings.ca);
  return {};
}

base::Result<void> set_own_certificate(SSL_CTX* context, const ClientSettings& settings) {
  if (settings.certificate.empty()) return {};
  auto credentials = read_credentials(settings.certificate, settings.key);
  if (!credentials) return tl::unexpected(credentials.error());
  if (!use_credentials(context, *credentials)) return failure("cannot use " + settings.certificate);
  return {};
}

}  // namespace

base::Result<std::shared_ptr<ClientContext>> ClientContext::build(
    const ClientSettings& settings, const std::shared_ptr<ClientContext>& earlier) {
  std::string digest = content_digest({settings.ca, settings.certificate, settings.key});
  if (earlier != nullptr && earlier->settings_ == settings && !digest.empty() && earlier->digest_ == digest)
    return earlier;
  ContextHandle context(SSL_CTX_new(TLS_client_method()));
  if (!context || !set_defaults(context.get()) ||
      SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return failure("OpenSSL");
  }
  if (auto set = set_trust(context.get(), settings); !set) return tl::unexpected(set.error());
  if (auto set = set_own_certificate(context.get(), settings); !set) return tl::unexpected(set.error());
  const std::string protocols = protocol_list(settings.application_protocols);
  if (!protocols.empty() &&
      SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                              static_cast<unsigned>(protocols.size())) != 0) {
    return failure("OpenSSL");
  }
  // Sessions go to the Resumption that each connection brings along.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), Session::on_new_session);
  return std::shared_ptr<ClientContext>(new ClientContext(settings, std::move(digest), std::move(context)));
}

std::unique_ptr<Session> ClientContext::make_session(const std::string& name, Resumption& resumption) const {
  SSL* const ssl = SSL_new(context_.get());
  if (ssl == nullptr) return nullptr;
  SSL_set_connect_state(ssl);
  auto session = std::make_unique<Session>(ssl, &resumption);
  const bool is_address = base::IpAddress::parse(name).has_value();
  bool set = true;
  if (!name.empty() && !is_address) set = SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  if (settings_.verify && !name.empty()) {
    X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set = set && (is_address ? X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str())
                             : X509_VERIFY_PARAM_set1_host(rules, name.c_str(), 0)) == 1;
  }
  if (resumption.latest) SSL_set_session(ssl, resumption.latest.get());
  if (!set) return nullptr;
  return session;
}

}  // namespace azulb::tls
