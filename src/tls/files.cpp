#include "azulb/tls/files.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include "azulb/tls/error.hpp"
#include "context.hpp"

namespace azulb::tls {
namespace {

using Bio = Handle<BIO, BIO_free_all>;
using DigestHandle = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;

Bio open_file(const std::string& path) {
  ERR_clear_error();
  return Bio(BIO_new_file(path.c_str(), "rb"));
}

tl::unexpected<base::Error> unreadable(const std::string& path) {
  return failure("cannot read " + path);
}

/// PEM_R_NO_START_LINE behind at least one certificate is only the file's end.
bool at_file_end() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

base::Result<void> read_chain(const std::string& path, Credentials& credentials) {
  const Bio file = open_file(path);
  if (!file) return unreadable(path);
  credentials.certificate.reset(PEM_read_bio_X509_AUX(file.get(), nullptr, nullptr, nullptr));
  if (!credentials.certificate) return failure(path + " has no certificate in PEM form");
  while (X509* const next = PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr))
    credentials.chain.emplace_back(next);
  if (!at_file_end()) return base::failure(path + ": a certificate behind the first is damaged");
  return {};
}

/// There is nobody to ask when azulb starts.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

}  // namespace

base::Result<Credentials> read_credentials(const std::string& certificate_path, const std::string& key_path) {
  Credentials credentials;
  if (auto read = read_chain(certificate_path, credentials); !read) return tl::unexpected(read.error());
  const Bio file = open_file(key_path);
  if (!file) return unreadable(key_path);
  credentials.key.reset(PEM_read_bio_PrivateKey(file.get(), nullptr, no_passphrase, nullptr));
  if (!credentials.key) {
    ERR_clear_error();
    return base::failure(key_path + " has no private key in PEM form without a passphrase");
  }
  if (X509_check_private_key(credentials.certificate.get(), credentials.key.get()) != 1) {
    ERR_clear_error();
    return base::failure("the private key in " + key_path + " is not that of the certificate in " +
                         certificate_path);
  }
  // OpenSSL refuses weak keys and signatures, by the system's settings, when it is to use them.
  const ContextHandle probe(SSL_CTX_new(TLS_method()));
  if (!probe || !use_credentials(probe.get(), credentials)) return failure("cannot use " + certificate_path);
  return credentials;
}

std::vector<std::string> host_names(X509& certificate) {
  std::vector<std::string> names;
  const Handle<GENERAL_NAMES, GENERAL_NAMES_free> alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int index = 0; alternatives && index < sk_GENERAL_NAME_num(alternatives.get()); ++index) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(alternatives.get(), index);
    if (name->type == GEN_DNS) names.push_back(lower(text_of(name->d.dNSName)));
  }
  if (!names.empty()) return names;
  const X509_NAME* const subject = X509_get_subject_name(&certificate);
  if (const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0) {
    names.push_back(lower(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))));
  }
  return names;
}

std::string content_digest(const std::vector<std::string>& paths) {
  const DigestHandle digest(EVP_MD_CTX_new());
  bool good = digest && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1;
  for (const std::string& path : paths) {
    if (path.empty()) continue;
    std::ifstream file(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::string size =
        std::to_string(content.size()) + ' ';  // so that no byte moves between files unseen
    good = good && EVP_DigestUpdate(digest.get(), size.data(), size.size()) == 1 &&
           EVP_DigestUpdate(digest.get(), content.data(), content.size()) == 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  good = good && EVP_DigestFinal_ex(digest.get(), bytes.data(), &length) == 1;
  ERR_clear_error();
  return good ? std::string(bytes.begin(), bytes.begin() + length) : std::string();
}

base::Result<void> check_bundle(const std::string& path) {
  const Bio file = open_file(path);
  if (!file) return unreadable(path);
  std::size_t count = 0;
  while (X509* const certificate = PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr)) {
    X509_free(certificate);
    ++count;
  }
  if (!at_file_end()) return base::failure(path + ": a certificate is damaged");
  if (count == 0) return base::failure(path + " has no certificate in PEM form");
  return {};
}

base::Result<void> check_ciphers(const std::string& ciphers) {
  const ContextHandle probe(SSL_CTX_new(TLS_method()));
  if (!probe) return failure("OpenSSL");
  std::size_t begin = 0;
  while (begin <= ciphers.size()) {
    const std::size_t end = std::min(ciphers.find_first_of(":, ", begin), ciphers.size());
    const std::string element = ciphers.substr(begin, end - begin);
    begin = end + 1;
    // "!RC4" and "@STRENGTH" change what is chosen and choose nothing themselves.
    if (element.empty() || element.find_first_of("!-+@") == 0) continue;
    if (SSL_CTX_set_cipher_list(probe.get(), element.c_str()) != 1) {
      ERR_clear_error();
      return base::failure("\"" + element + "\" is no cipher for TLS 1.2 that OpenSSL knows");
    }
  }
  if (SSL_CTX_set_cipher_list(probe.get(), ciphers.c_str()) == 1) return {};
  ERR_clear_error();
  return base::failure("no cipher is left of \"" + ciphers + "\"");
}

}  // namespace azulb::tls
