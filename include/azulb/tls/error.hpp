// What OpenSSL's error queue says, in words.
#pragma once

#include <string>

#include "azulb/base/result.hpp"

namespace azulb::tls {

/// The reason of the latest error in this thread's queue, such as "no shared cipher"; the queue is emptied.
std::string take_error_text();

/// "<what>: <reason>", with what the queue says; the queue is emptied.
tl::unexpected<base::Error> failure(const std::string& what);

}  // namespace azulb::tls
