#include "stapled_response.hpp"

#include <sys/stat.h>

#include <ctime>
#include <utility>

namespace azulb::tls {
namespace {

std::string text_of(std::int64_t time_s) {
  const std::time_t time = time_s;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

StapledResponse::StapledResponse(std::string path, CertificateHandle certificate)
    : path_(std::move(path)), certificate_(std::move(certificate)) {}

std::shared_ptr<const OcspResponse> StapledResponse::at(std::int64_t now_s) const {
  std::shared_ptr<const OcspResponse> response;
  {
    const std::lock_guard lock(mutex_);
    response = latest_;
  }
  const bool valid = response && response->valid_from_s <= now_s && now_s < response->valid_until_s;
  return valid ? response : nullptr;
}

std::optional<StapledResponse::Stamp> StapledResponse::stamp() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) return std::nullopt;
  const std::int64_t modified_ns =
      std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  return Stamp{status.st_ino, status.st_size, modified_ns};
}

std::optional<Notice> StapledResponse::refresh(std::int64_t now_s) {
  const std::optional<Stamp> found = stamp();
  if (!looked_ || found != seen_) {
    looked_ = true;
    seen_ = found;
    return read(now_s);
  }
  // Main alone changes it.
  if (!latest_ || end_told_ || now_s < latest_->valid_until_s) return std::nullopt;
  end_told_ = true;
  return Notice{true, ended(*latest_) + "; nothing is stapled"};
}

Notice StapledResponse::read(std::int64_t now_s) {
  auto response = read_ocsp_response(path_, *certificate_);
  if (response && response->valid_until_s <= now_s) response = base::failure(ended(*response));
  if (!response) {
    const bool goes_on = at(now_s) != nullptr;
    return {true, response.error().message +
                      (goes_on ? "; the response before is still stapled" : "; nothing is stapled")};
  }
  auto latest = std::make_shared<const OcspResponse>(std::move(*response));
  end_told_ = false;
  {
    const std::lock_guard lock(mutex_);
    latest_ = latest;
  }
  const bool too_early = now_s < latest->valid_from_s;
  return {too_early, too_early ? path_ + ": the OCSP response is valid from " +
                                     text_of(latest->valid_from_s) + " on; nothing is stapled until then"
                               : path_ + ": an OCSP response valid until " + text_of(latest->valid_until_s) +
                                     " is stapled"};
}

std::string StapledResponse::ended(const OcspResponse& response) const {
  return path_ + ": the OCSP response was valid until " + text_of(response.valid_until_s);
}

}  // namespace azulb::tls
