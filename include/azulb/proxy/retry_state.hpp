// What an exchange has to know of attempts that failed. Most exchanges have none.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "azulb/http/framing.hpp"
#include "azulb/http/head.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/proxy/attempt.hpp"

namespace azulb::proxy {

/// How an attempt ended, kept while its exchange waits for a place in the retry budget: if there comes none,
/// this is what the client gets.
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

struct RetryState {
  /// The attempt with this number, from 0, goes to `server`.
  void remember(std::uint32_t attempt, std::uint32_t server) { tried[attempt % tried.size()] = server; }
  /// Of so many attempts.
  std::span<const std::uint32_t> latest_tried(std::size_t attempts) const {
    return std::span(tried).first(std::min(attempts, tried.size()));
  }

  std::array<std::uint32_t, 8> tried{};  // the latest servers, in any order
  std::uint32_t delay_ms = 0;            // before the next attempt
  bool awaits_return = false;            // of a server, all of which refuse connections
  std::unique_ptr<HeldAnswer> held;      // while that waits for a place in the budget
};

}  // namespace azulb::proxy
