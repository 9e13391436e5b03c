#include "azulb/tls/ocsp.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "azulb/tls/error.hpp"
#include "azulb/tls/handle.hpp"

namespace azulb::tls {
namespace {

using Response = Handle<OCSP_RESPONSE, OCSP_RESPONSE_free>;
using BasicResponse = Handle<OCSP_BASICRESP, OCSP_BASICRESP_free>;

constexpr std::size_t response_limit_bytes = 64 * 1024;  // a real one has 0.5 to 2 KB

base::Result<std::string> read_file(const std::string& path) {
  const Handle<BIO, BIO_free_all> file(BIO_new_file(path.c_str(), "rb"));
  if (!file) return failure("cannot read " + path);
  std::string bytes(response_limit_bytes + 1, '\0');
  std::size_t size_bytes = 0;
  std::size_t count = 0;
  while (size_bytes < bytes.size() &&
         BIO_read_ex(file.get(), bytes.data() + size_bytes, bytes.size() - size_bytes, &count) == 1)
    size_bytes += count;
  ERR_clear_error();
  if (size_bytes > response_limit_bytes) return base::failure(path + " is too large for an OCSP response");
  bytes.resize(size_bytes);
  return bytes;
}

base::Result<std::string> read_regular_file(const std::string& path) {
  struct stat status {};
  ERR_clear_error();
  // A pipe would keep main waiting.
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return base::failure("cannot read " + path + ": it is no regular file");
  return read_file(path);
}

base::Result<Response> parse(const std::string& path, const std::string& bytes) {
  const auto* begin = reinterpret_cast<const unsigned char*>(bytes.data());
  Response response(d2i_OCSP_RESPONSE(nullptr, &begin, static_cast<long>(bytes.size())));
  ERR_clear_error();
  if (!response) return base::failure(path + " is not an OCSP response in DER form");
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
    return base::failure(path + ": the OCSP response says \"" + OCSP_response_status_str(status) + "\"");
  return response;
}

/// By issuer's name and serial number; the issuer's key need not be at hand.
bool is_of(const OCSP_SINGLERESP* single, const X509& certificate) {
  ASN1_OCTET_STRING* name_digest = nullptr;
  ASN1_OBJECT* algorithm = nullptr;
  ASN1_INTEGER* serial = nullptr;
  auto* const id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single));
  OCSP_id_get0_info(&name_digest, &algorithm, nullptr, &serial, id);
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(&certificate)) != 0) return false;
  const EVP_MD* const kind = EVP_get_digestbyobj(algorithm);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (kind == nullptr ||
      X509_NAME_digest(X509_get_issuer_name(&certificate), kind, digest.data(), &length) != 1)
    return false;
  const unsigned char* const theirs = ASN1_STRING_get0_data(name_digest);
  return static_cast<unsigned>(ASN1_STRING_length(name_digest)) == length &&
         std::equal(theirs, theirs + length, digest.begin());
}

OCSP_SINGLERESP* find(OCSP_BASICRESP* basic, const X509& certificate) {
  for (int index = 0; index < OCSP_resp_count(basic); ++index) {
    OCSP_SINGLERESP* const single = OCSP_resp_get0(basic, index);
    if (is_of(single, certificate)) return single;
  }
  return nullptr;
}

/// Unix time; below 0 if there is none that can be read.
std::int64_t seconds_of(const ASN1_GENERALIZEDTIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return -1;
  return timegm(&parts);
}

}  // namespace

base::Result<OcspResponse> read_ocsp_response(const std::string& path, const X509& certificate) {
  auto bytes = read_regular_file(path);
  if (!bytes) return tl::unexpected(bytes.error());
  const auto response = parse(path, *bytes);
  if (!response) return tl::unexpected(response.error());
  const BasicResponse basic(OCSP_response_get1_basic(response->get()));
  OCSP_SINGLERESP* const single = basic ? find(basic.get(), certificate) : nullptr;
  ERR_clear_error();
  if (single == nullptr) return base::failure(path + ": the OCSP response is of another certificate");
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  const int verdict = OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
  if (verdict != V_OCSP_CERTSTATUS_GOOD)
    return base::failure(path + ": the OCSP response says \"" + OCSP_cert_status_str(verdict) +
                         "\" of the certificate");
  const OcspResponse read{std::move(*bytes), seconds_of(from), seconds_of(until)};
  ERR_clear_error();
  if (read.valid_from_s < 0 || read.valid_until_s < 0)
    return base::failure(path + ": the OCSP response does not say from when and until when it is valid");
  return read;
}

base::Result<void> check_ocsp_response(const std::string& path) {
  const auto bytes = read_regular_file(path);
  if (!bytes) return tl::unexpected(bytes.error());
  if (const auto response = parse(path, *bytes); !response) return tl::unexpected(response.error());
  return {};
}

}  // namespace azulb::tls
