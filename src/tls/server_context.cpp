#include "azulb/tls/server_context.hpp"

#include <openssl/evp.h>

#include <array>
#include <map>
#include <utility>

#include "azulb/tls/error.hpp"
#include "azulb/tls/files.hpp"
#include "context.hpp"
#include "server_callbacks.hpp"

namespace azulb::tls {
namespace {

/// Of TLS 1.2 sessions and of tickets; no longer than the key that seals them lives.
constexpr long session_lifetime_s = 2 * TicketKeys::rotation_ms / 1000;

bool set_protocol(SSL_CTX* context, const ServerSettings& settings) {
  const int least = settings.min_version == Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  const char* const ciphers = settings.ciphers.empty() ? default_ciphers : settings.ciphers.c_str();
  SSL_CTX_set_options(context,
                      SSL_OP_IGNORE_UNEXPECTED_EOF);  // what HTTP/1 clients leave with says its length
  // Our order decides, so that `ciphers` does; but one that has no fast AES gets the ChaCha20 it asks for
  // first.
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_dh_auto(context, 1);
  return set_defaults(context) && SSL_CTX_set_min_proto_version(context, least) == 1 &&
         SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
         SSL_CTX_set_ciphersuites(context, tls13_ciphers) == 1;
}

void set_resumption(SSL_CTX* context, bool session_tickets) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // sessions live in tickets, for all workers
  SSL_CTX_set_timeout(context, session_lifetime_s);
  SSL_CTX_set_num_tickets(context, session_tickets ? 1 : 0);
  if (!session_tickets) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

/// Which certificates azulb asks clients for. A session carries a digest of these rules: one that began under
/// other rules, or on another listener, is not resumed.
base::Result<void> set_client_rules(SSL_CTX* context, const ServerSettings& settings) {
  const std::string rules = settings.scope + '\n' + settings.client_ca + '\n' +
                            std::to_string(static_cast<int>(settings.client_verify));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (EVP_Digest(rules.data(), rules.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1 ||
      SSL_CTX_set_session_id_context(context, digest.data(), length) != 1) {
    return failure("OpenSSL");
  }
  if (settings.client_verify == ClientVerify::off) return {};
  if (SSL_CTX_load_verify_file(context, settings.client_ca.c_str()) != 1)
    return failure("cannot use " + settings.client_ca);
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings.client_ca.c_str()));
  const bool required = settings.client_verify == ClientVerify::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return {};
}

std::vector<std::string> files_of(const ServerSettings& settings) {
  std::vector<std::string> files = {settings.client_ca};
  for (const CertificateFiles& each : settings.certificates)
    files.insert(files.end(), {each.certificate, each.key});
  return files;
}

class Builder {
 public:
  Builder(const ServerSettings& settings, std::shared_ptr<TicketKeys> ticket_keys) : settings_(settings) {
    parts_->ticket_keys = std::move(ticket_keys);
  }

  base::Result<std::shared_ptr<ServerParts>> build() {
    parts_->protocols = protocol_list(settings_.application_protocols);
    for (const CertificateFiles& files : settings_.certificates) {
      if (auto read = this->read(files); !read) return tl::unexpected(read.error());
    }
    if (auto made = context_for(first_group()); !made) return tl::unexpected(made.error());
    for (const auto& [name, group] : group_by_name(names_, kinds_)) {
      auto context = context_for(group);
      if (!context) return tl::unexpected(context.error());
      parts_->names.add(name, *context);
    }
    return std::move(parts_);
  }

 private:
  base::Result<void> read(const CertificateFiles& files) {
    auto credentials = read_credentials(files.certificate, files.key);
    if (!credentials) return tl::unexpected(credentials.error());
    if (!files.ocsp_response.empty()) {
      X509* const certificate = credentials->certificate.get();
      X509_up_ref(certificate);
      StapledResponse& response =
          parts_->stapled.emplace_back(files.ocsp_response, CertificateHandle(certificate));
      if (!set_stapled_response(certificate, response)) return failure("OpenSSL");
    }
    names_.push_back(host_names(*credentials->certificate));
    kinds_.push_back(EVP_PKEY_get_base_id(credentials->key.get()));
    credentials_.push_back(std::move(*credentials));
    return {};
  }

  /// The first certificate, and those of other kinds that share a name with it.
  std::vector<std::size_t> first_group() const {
    std::vector<std::size_t> group = {0};
    for (const auto& [name, others] : group_by_name(names_, kinds_)) {
      if (others.front() == 0 && others.size() > group.size()) group = others;
    }
    return group;
  }

  base::Result<SSL_CTX*> context_for(const std::vector<std::size_t>& group) {
    if (const auto known = by_group_.find(group); known != by_group_.end()) return known->second;
    ContextHandle context(SSL_CTX_new(TLS_server_method()));
    if (!context || !set_protocol(context.get(), settings_)) return failure("OpenSSL");
    set_resumption(context.get(), settings_.session_tickets);
    set_callbacks(context.get(), *parts_, settings_.session_tickets);
    if (auto set = set_client_rules(context.get(), settings_); !set) return tl::unexpected(set.error());
    for (const std::size_t index : group) {
      if (!use_credentials(context.get(), credentials_[index]))
        return failure("cannot use " + settings_.certificates[index].certificate);
    }
    SSL_CTX* const made = context.get();
    parts_->contexts.push_back(std::move(context));
    by_group_.emplace(group, made);
    return made;
  }

  const ServerSettings& settings_;
  std::shared_ptr<ServerParts> parts_ = std::make_shared<ServerParts>();
  std::vector<Credentials> credentials_;
  std::vector<std::vector<std::string>> names_;
  std::vector<int> kinds_;  // of key
  std::map<std::vector<std::size_t>, SSL_CTX*> by_group_;
};

}  // namespace

ServerContext::ServerContext(const ServerSettings& settings, std::string digest,
                             std::shared_ptr<ServerParts> parts)
    : settings_(settings), digest_(std::move(digest)), parts_(std::move(parts)) {}
ServerContext::~ServerContext() = default;

base::Result<std::shared_ptr<ServerContext>> ServerContext::build(
    const ServerSettings& settings, const std::shared_ptr<ServerContext>& earlier) {
  if (settings.certificates.empty()) return base::failure("there is no certificate");
  std::string digest = content_digest(files_of(settings));
  if (earlier != nullptr && earlier->settings_ == settings && !digest.empty() && earlier->digest_ == digest)
    return earlier;
  auto keys = earlier != nullptr ? earlier->parts_->ticket_keys : std::make_shared<TicketKeys>();
  auto parts = Builder(settings, std::move(keys)).build();
  if (!parts) return tl::unexpected(parts.error());
  return std::shared_ptr<ServerContext>(new ServerContext(settings, std::move(digest), std::move(*parts)));
}

std::vector<Notice> ServerContext::refresh_stapled_responses(std::int64_t now_s) {
  std::vector<Notice> notices;
  for (StapledResponse& stapled : parts_->stapled) {
    if (auto notice = stapled.refresh(now_s)) notices.push_back(std::move(*notice));
  }
  return notices;
}

std::unique_ptr<Session> ServerContext::make_session() const {
  SSL* const ssl = SSL_new(parts_->contexts.front().get());
  if (ssl == nullptr) return nullptr;
  SSL_set_accept_state(ssl);
  auto session = std::make_unique<Session>(ssl);
  session->keep(parts_);  // the callbacks refer to them
  return session;
}

}  // namespace azulb::tls
