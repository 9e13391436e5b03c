// What is stapled to one certificate: an OCSP response out of a file that something else keeps fresh.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "azulb/tls/handle.hpp"
#include "azulb/tls/ocsp.hpp"
#include "azulb/tls/server_context.hpp"

namespace azulb::tls {

/// `refresh` is main's; handshakes on any thread ask `at`.
class StapledResponse {
 public:
  /// Nothing is stapled before the first `refresh`.
  StapledResponse(std::string path, CertificateHandle certificate);

  /// Reads the file if it has changed. One that cannot be used leaves the response there was, for as long as
  /// that is valid. Returns what an operator should know, once; times in Unix time.
  std::optional<Notice> refresh(std::int64_t now_s);

  /// What may be stapled now; null: nothing.
  std::shared_ptr<const OcspResponse> at(std::int64_t now_s) const;

 private:
  /// Tells one state of a file from the next.
  struct Stamp {
    ino_t inode;
    off_t size_bytes;
    std::int64_t modified_ns;
    bool operator==(const Stamp&) const = default;
  };
  std::optional<Stamp> stamp() const;
  Notice read(std::int64_t now_s);
  std::string ended(const OcspResponse& response) const;

  const std::string path_;
  const CertificateHandle certificate_;
  bool looked_ = false;        // at the file, ever
  std::optional<Stamp> seen_;  // of what was last read; none: there was no such file
  bool end_told_ = false;

  mutable std::mutex mutex_;  // of:
  std::shared_ptr<const OcspResponse> latest_;
};

}  // namespace azulb::tls
