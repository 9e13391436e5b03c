#include "azulb/tls/files.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <string>
#include <vector>

#include "fixture.hpp"

using namespace azulb;
using Names = std::vector<std::string>;

namespace {

template <typename T>
std::string error_of(const base::Result<T>& result) {
  CHECK(ERR_peek_error() == 0);
  return result ? "none" : result.error().message;
}

}  // namespace

TEST_CASE("a certificate is read with its chain and its key") {
  const test::Directory directory;
  const test::Made issuer = test::make_certificate("issuer", "");
  const test::Made leaf = test::make_certificate("leaf", "DNS:a.test", "EC", &issuer);
  // Text around and a key in the same file do no harm.
  const std::string both =
      directory.write("both", "about\n" + leaf.pem + leaf.key_pem + "\n" + issuer.pem + "\n\n");
  const auto read = tls::read_credentials(both, both);
  REQUIRE_MESSAGE(read.has_value(), error_of(read));
  CHECK(X509_cmp(read->certificate.get(), leaf.certificate.get()) == 0);
  REQUIRE(read->chain.size() == 1);
  CHECK(X509_cmp(read->chain[0].get(), issuer.certificate.get()) == 0);
  CHECK(EVP_PKEY_eq(read->key.get(), leaf.key.get()) == 1);
}

TEST_CASE("what is wrong with a certificate's files is said with their names") {
  const test::Identity own;
  const test::Identity other;
  const test::Directory& directory = own.directory;
  const auto error = [](const std::string& certificate, const std::string& key) {
    return error_of(tls::read_credentials(certificate, key));
  };
  const std::string missing = directory.path("missing");
  CHECK(error(missing, own.key) == "cannot read " + missing + ": no such file");
  CHECK(error(own.certificate, missing) == "cannot read " + missing + ": no such file");
  const std::string empty = directory.write("empty", "");
  CHECK(error(empty, own.key).starts_with(empty + " has no certificate in PEM form"));
  const std::string expected = empty + " has no private key in PEM form without a passphrase";
  CHECK(error(own.certificate, empty) == expected);
  CHECK(error(own.key, own.key).starts_with(own.key + " has no certificate in PEM form"));
  CHECK(error(own.certificate, other.key) ==
        "the private key in " + other.key + " is not that of the certificate in " + own.certificate);
  std::string damaged = other.made.pem;
  damaged[damaged.size() / 2] = '!';
  const std::string chain = directory.write("chain", own.made.pem + damaged);
  CHECK(error(chain, own.key) == chain + ": a certificate behind the first is damaged");
  const std::string cut = directory.write("cut", own.made.pem + other.made.pem.substr(0, 200));
  CHECK(error(cut, own.key) == cut + ": a certificate behind the first is damaged");
}

TEST_CASE("a directory is no file") {
  const test::Identity own;
  const std::string directory = own.directory.path("");
  CHECK(error_of(tls::read_credentials(directory, own.key)) != "none");
  CHECK(error_of(tls::check_bundle(directory)) != "none");
}

TEST_CASE("a key behind a passphrase is refused without asking") {
  const test::Identity own;
  const tls::Handle<BIO, BIO_free_all> out(BIO_new(BIO_s_mem()));
  unsigned char word[] = "word";
  REQUIRE(PEM_write_bio_PrivateKey(out.get(), own.made.key.get(), EVP_aes_256_cbc(), word, 4, nullptr,
                                   nullptr) == 1);
  const char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  const std::string locked = own.directory.write("locked", {text, static_cast<std::size_t>(length)});
  CHECK(error_of(tls::read_credentials(own.certificate, locked)) ==
        locked + " has no private key in PEM form without a passphrase");
}

TEST_CASE("a certificate's host names are its alternative names, or else its common name") {
  const auto names = [](const std::string& subject, const std::string& alternatives) {
    return tls::host_names(*test::make_certificate(subject, alternatives).certificate);
  };
  CHECK(names("Common.Test", "DNS:A.test,DNS:*.B.test,IP:127.0.0.1") == Names{"a.test", "*.b.test"});
  CHECK(names("Common.Test", "") == Names{"common.test"});
  CHECK(names("Common.Test", "IP:127.0.0.1") == Names{"common.test"});
}

TEST_CASE("a bundle is one or more whole certificates") {
  const test::Identity own;
  const test::Directory& directory = own.directory;
  CHECK(tls::check_bundle(own.certificate));
  CHECK(tls::check_bundle(directory.write("two", own.made.pem + own.made.pem)));
  const std::string empty = directory.write("empty", "nothing\n");
  CHECK(error_of(tls::check_bundle(empty)) == empty + " has no certificate in PEM form");
  std::string damaged = own.made.pem;
  damaged[damaged.size() / 2] = '!';
  const std::string broken = directory.write("broken", own.made.pem + damaged);
  CHECK(error_of(tls::check_bundle(broken)) == broken + ": a certificate is damaged");
  CHECK(error_of(tls::check_bundle(directory.path("missing"))).starts_with("cannot read "));
}

TEST_CASE("each cipher of a list must be one of TLS 1.2") {
  for (const char* list :
       {"ECDHE-RSA-AES128-GCM-SHA256", "HIGH:!aNULL", "ECDHE+AESGCM:@STRENGTH", "HIGH, !RC4"}) {
    CAPTURE(list);
    CHECK(error_of(tls::check_ciphers(list)) == "none");
  }
  CHECK(error_of(tls::check_ciphers("HIGH:NONSENSE")).find("NONSENSE") != std::string::npos);
  CHECK(error_of(tls::check_ciphers("TLS_AES_128_GCM_SHA256")).find("TLS_AES") != std::string::npos);
  CHECK(error_of(tls::check_ciphers("!ALL")) == "no cipher is left of \"!ALL\"");
  CHECK(error_of(tls::check_ciphers(":")) != "none");
}
