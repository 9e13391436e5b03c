#include "fixture.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <utility>

namespace azulb::test {
namespace {

using Bio = tls::Handle<BIO, BIO_free_all>;

std::string text_of(BIO* bio) {
  const char* text = nullptr;
  const long length = BIO_get_mem_data(bio, &text);
  return {text, static_cast<std::size_t>(length)};
}

void add_extension(X509* certificate, int id, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
  REQUIRE(extension != nullptr);
  REQUIRE(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

}  // namespace

Directory::Directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "azulb-tls-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

Directory::~Directory() {
  std::filesystem::remove_all(path_);
}

std::string Directory::write(const std::string& name, std::string_view text) const {
  std::ofstream file(path(name), std::ios::binary);
  file << text;
  REQUIRE(file.good());
  return path(name);
}

Made make_certificate(const std::string& subject, const std::string& names, const std::string& kind,
                      const Made* issuer, long lifetime_s) {
  Made made;
  made.key.reset(kind == "RSA" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})
                               : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  REQUIRE(made.key);
  made.certificate.reset(X509_new());
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  static long serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), lifetime_s);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer->certificate.get() : certificate));
  if (!names.empty()) add_extension(certificate, NID_subject_alt_name, names);
  REQUIRE(X509_sign(certificate, issuer ? issuer->key.get() : made.key.get(), EVP_sha256()) > 0);
  const Bio out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_X509(out.get(), certificate) == 1);
  made.pem = text_of(out.get());
  const Bio key_out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_PrivateKey(key_out.get(), made.key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
          1);
  made.key_pem = text_of(key_out.get());
  return made;
}

Identity::Identity(const std::string& names, const std::string& kind, long lifetime_s)
    : made(make_certificate("unit", names, kind, nullptr, lifetime_s)),
      certificate(directory.write("crt", made.pem)),
      key(directory.write("key", made.key_pem)) {}

Ends::Ends(std::unique_ptr<tls::Session> server_session, std::unique_ptr<tls::Session> client_session)
    : server(std::move(server_session)), client(std::move(client_session)) {
  REQUIRE(server);
  REQUIRE(client);
  int both[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both) == 0);
  server_descriptor = both[0];
  client_descriptor = both[1];
  server->attach(server_descriptor);
  client->attach(client_descriptor);
}

Ends::~Ends() {
  close(server_descriptor);
  close(client_descriptor);
}

bool Ends::shake_hands() const {
  auto client_status = tls::IoStatus::want_read;
  auto server_status = tls::IoStatus::want_read;
  for (int turn = 0; turn < 20; ++turn) {
    if (client_status != tls::IoStatus::done) client_status = client->shake_hands();
    if (server_status != tls::IoStatus::done) server_status = server->shake_hands();
    if (client_status == tls::IoStatus::failed || server_status == tls::IoStatus::failed) return false;
    if (client_status == tls::IoStatus::done && server_status == tls::IoStatus::done) return true;
  }
  return false;
}

void Ends::shrink_buffers() const {
  const int least = 1;
  for (const int descriptor : {server_descriptor, client_descriptor})
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
}

std::string read_some(tls::Session& session) {
  std::array<char, 80 * 1024> room;
  return {room.data(), session.read(room).size_bytes};
}

std::string read_all(tls::Session& session, std::size_t limit) {
  std::string all;
  while (all.size() < limit) {
    const std::string some = read_some(session);
    if (some.empty()) break;
    all += some;
  }
  return all;
}

}  // namespace azulb::test
