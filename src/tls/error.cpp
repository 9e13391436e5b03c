#include "azulb/tls/error.hpp"

#include <openssl/err.h>

#include <cerrno>
#include <system_error>

namespace azulb::tls {

std::string take_error_text() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
  const char* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

tl::unexpected<base::Error> failure(const std::string& what) {
  return base::failure(what + ": " + take_error_text());
}

}  // namespace azulb::tls
