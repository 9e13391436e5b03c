#include "azulb/tls/ocsp.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include "fixture.hpp"
#include "stapled_response.hpp"

using namespace azulb;

namespace {

constexpr std::int64_t now_s = 1'800'000'000;

template <typename T>
std::string error_of(const base::Result<T>& result) {
  CHECK(ERR_peek_error() == 0);
  return result ? "none" : result.error().message;
}

std::string der_of(OCSP_RESPONSE* response) {
  unsigned char* der = nullptr;
  const int length = i2d_OCSP_RESPONSE(response, &der);
  REQUIRE(length > 0);
  std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  OCSP_RESPONSE_free(response);
  return bytes;
}

struct Authority {
  test::Made made = test::make_certificate("CA", "");
  test::Made leaf = test::make_certificate("leaf", "DNS:a.test", "EC", &made);
  test::Made other = test::make_certificate("other", "DNS:b.test", "EC", &made);

  /// What the CA says of `of`, between two times in Unix time; `until_s` 0: without an end.
  std::string says(const test::Made& of, std::int64_t from_s, std::int64_t until_s,
                   int verdict = V_OCSP_CERTSTATUS_GOOD, const EVP_MD* digest = EVP_sha1()) const {
    OCSP_BASICRESP* const basic = OCSP_BASICRESP_new();
    OCSP_CERTID* const id = OCSP_cert_to_id(digest, of.certificate.get(), made.certificate.get());
    ASN1_TIME* const from = ASN1_TIME_set(nullptr, from_s);
    ASN1_TIME* const until = until_s == 0 ? nullptr : ASN1_TIME_set(nullptr, until_s);
    ASN1_TIME* const revoked = verdict == V_OCSP_CERTSTATUS_REVOKED ? from : nullptr;
    REQUIRE(OCSP_basic_add1_status(basic, id, verdict, 0, revoked, from, until) != nullptr);
    REQUIRE(OCSP_basic_sign(basic, made.certificate.get(), made.key.get(), EVP_sha256(), nullptr, 0) == 1);
    std::string der = der_of(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic));
    ASN1_TIME_free(until);
    ASN1_TIME_free(from);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    return der;
  }
};

/// A file that is replaced as updaters do it.
struct Stapled {
  explicit Stapled(const test::Made& leaf) : path(directory.path("leaf.ocsp")), response(path, copy(leaf)) {}

  static tls::CertificateHandle copy(const test::Made& leaf) {
    return tls::CertificateHandle(X509_dup(leaf.certificate.get()));
  }
  void replace(const std::string& bytes) const {
    std::filesystem::rename(directory.write("new", bytes), path);
  }
  /// What is told, without the path: "! " stands before a warning.
  std::string told(std::int64_t at_s) {
    const auto notice = response.refresh(at_s);
    CHECK(ERR_peek_error() == 0);
    if (!notice) return "nothing";
    std::string text = notice->text;
    if (const auto begin = text.find(path); begin != std::string::npos)
      text.replace(begin, path.size(), "FILE");
    return (notice->is_warning ? "! " : "") + text;
  }

  test::Directory directory;
  std::string path;
  tls::StapledResponse response;
};

}  // namespace

TEST_CASE("a response to staple is a whole one that says success") {
  const test::Directory directory;
  const std::string later =
      directory.write("later", der_of(OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr)));
  CHECK(error_of(tls::check_ocsp_response(later)) == later + ": the OCSP response says \"trylater\"");
  const std::string text = directory.write("text", "hello");
  CHECK(error_of(tls::check_ocsp_response(text)) == text + " is not an OCSP response in DER form");
  CHECK(error_of(tls::check_ocsp_response(directory.path("missing"))).starts_with("cannot read "));
  const std::string large = directory.write("large", std::string(100'000, '\x30'));
  CHECK(error_of(tls::check_ocsp_response(large)) == large + " is too large for an OCSP response");
  const std::string folder = directory.path("");
  CHECK(error_of(tls::check_ocsp_response(folder)) == "cannot read " + folder + ": it is no regular file");
  const std::string pipe = directory.path("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error_of(tls::check_ocsp_response(pipe)) == "cannot read " + pipe + ": it is no regular file");
}

TEST_CASE("a response is for one certificate, and says \"good\" of it until a given time") {
  const Authority authority;
  const test::Directory directory;
  const auto read = [&](const std::string& bytes) {
    const std::string path = directory.write("response", bytes);
    auto result = tls::read_ocsp_response(path, *authority.leaf.certificate);
    std::string error = error_of(result);
    return error.starts_with(path) ? error.substr(path.size()) : error;
  };
  for (const EVP_MD* digest : {EVP_sha1(), EVP_sha256()})
    CHECK(read(authority.says(authority.leaf, now_s, now_s + 60, V_OCSP_CERTSTATUS_GOOD, digest)) == "none");
  CHECK(read(authority.says(authority.other, now_s, now_s + 60)) ==
        ": the OCSP response is of another certificate");
  CHECK(read(Authority().says(authority.other, now_s, now_s + 60)) ==
        ": the OCSP response is of another certificate");
  CHECK(read(authority.says(authority.leaf, now_s, now_s + 60, V_OCSP_CERTSTATUS_REVOKED)) ==
        ": the OCSP response says \"revoked\" of the certificate");
  CHECK(read(authority.says(authority.leaf, now_s, now_s + 60, V_OCSP_CERTSTATUS_UNKNOWN)) ==
        ": the OCSP response says \"unknown\" of the certificate");
  CHECK(read(authority.says(authority.leaf, now_s, 0)) ==
        ": the OCSP response does not say from when and until when it is valid");
  const std::string whole = authority.says(authority.leaf, now_s, now_s + 60);
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1})
    CHECK(read(whole.substr(0, size)) == " is not an OCSP response in DER form");
}

TEST_CASE("a new response is taken up, and each is stapled only while it is valid") {
  const Authority authority;
  Stapled stapled(authority.leaf);
  CHECK(stapled.response.at(now_s) == nullptr);
  const std::string first = authority.says(authority.leaf, now_s, now_s + 60);
  stapled.replace(first);
  CHECK(stapled.told(now_s) == "FILE: an OCSP response valid until 2027-01-15T08:01:00Z is stapled");
  REQUIRE(stapled.response.at(now_s) != nullptr);
  CHECK(stapled.response.at(now_s)->der == first);
  CHECK(stapled.told(now_s + 1) == "nothing");
  CHECK(stapled.response.at(now_s - 1) == nullptr);
  CHECK(stapled.response.at(now_s + 59) != nullptr);
  CHECK(stapled.response.at(now_s + 60) == nullptr);
  CHECK(stapled.told(now_s + 60) ==
        "! FILE: the OCSP response was valid until 2027-01-15T08:01:00Z; nothing is stapled");
  CHECK(stapled.told(now_s + 61) == "nothing");

  const std::string second = authority.says(authority.leaf, now_s + 100, now_s + 200);
  stapled.replace(second);
  CHECK(stapled.told(now_s + 61) ==
        "! FILE: the OCSP response is valid from 2027-01-15T08:01:40Z on; nothing is "
        "stapled until then");
  CHECK(stapled.response.at(now_s + 99) == nullptr);
  CHECK(stapled.response.at(now_s + 100)->der == second);
  CHECK(stapled.told(now_s + 300).starts_with("! FILE: the OCSP response was valid until"));
}

TEST_CASE("a file that cannot be used leaves the response that is stapled") {
  const Authority authority;
  Stapled stapled(authority.leaf);
  CHECK(stapled.told(now_s) == "! cannot read FILE: no such file; nothing is stapled");
  CHECK(stapled.told(now_s) == "nothing");
  const std::string good = authority.says(authority.leaf, now_s, now_s + 60);
  stapled.replace(good);
  CHECK(stapled.told(now_s).ends_with(" is stapled"));
  const std::array<std::pair<std::string, std::string>, 4> faults = {{
      {"text", "! FILE is not an OCSP response in DER form"},
      {authority.says(authority.other, now_s, now_s + 60),
       "! FILE: the OCSP response is of another certificate"},
      {authority.says(authority.leaf, now_s - 60, now_s),
       "! FILE: the OCSP response was valid until 2027-01-15T08:00:00Z"},
      {authority.says(authority.leaf, now_s, now_s + 60, V_OCSP_CERTSTATUS_REVOKED),
       "! FILE: the OCSP response says \"revoked\" of the certificate"},
  }};
  for (const auto& [bytes, words] : faults) {
    stapled.replace(bytes);
    CHECK(stapled.told(now_s) == words + "; the response before is still stapled");
    CHECK(stapled.told(now_s) == "nothing");
    REQUIRE(stapled.response.at(now_s) != nullptr);
    CHECK(stapled.response.at(now_s)->der == good);
  }
  std::filesystem::remove(stapled.path);
  CHECK(stapled.told(now_s).ends_with("FILE: no such file; the response before is still stapled"));
  CHECK(stapled.told(now_s + 60).ends_with("; nothing is stapled"));
}
