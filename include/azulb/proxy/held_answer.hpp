// How an attempt ended, kept while its exchange waits for a place in the retry budget: if there comes none,
// this is what the client gets.
#pragma once

#include <string>

#include "azulb/http/framing.hpp"
#include "azulb/http/head.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/proxy/attempt.hpp"

namespace azulb::proxy {

struct HeldAnswer {
  AttemptEnd end;
  /// The server answered, and its connection is paused at the body; else the attempt is over.
  bool answered = false;
  /// The answer has no body, and its end has been told already.
  bool complete = false;
  int status = 0;
  int version_minor = 1;
  std::string reason;
  http::StoredFields fields;
  http::ResponseInfo info;
};

}  // namespace azulb::proxy
