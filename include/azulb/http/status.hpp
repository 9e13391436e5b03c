// Status codes and their reason phrases (RFC 9110 section 15).
#pragma once

#include <string_view>

namespace azulb::http {

/// "Bad Gateway" for 502; the class's general phrase for a code without one, such as "Client Error" for 499.
std::string_view reason_phrase(int status);

}  // namespace azulb::http
