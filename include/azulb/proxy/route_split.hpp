// How a route divides its requests among upstreams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/config/config.hpp"
#include "azulb/http/stored_request.hpp"

namespace azulb::proxy {

/// By the route's cookie, if the client has a valid one; else by the hash of its key, if the request has it;
/// else by chance. The cookie's values and the places of keys depend on nothing but names, keys and weights:
/// they outlive reloads, and several azulbs agree. Immutable; any thread.
class RouteSplit {
 public:
  enum class Reason : std::uint8_t { cookie, key, chance };
  struct Choice {
    std::size_t part = 0;
    Reason reason = Reason::chance;
  };

  explicit RouteSplit(const config::Route& route);

  /// `random`: 64 random bits.
  Choice choose(const http::Request& request, std::uint64_t random) const;
  /// The Set-Cookie value that keeps the client to this part; empty: the route has no cookie.
  std::string_view set_cookie(std::size_t part, bool secure) const;

 private:
  struct Part {
    std::string token;  // the cookie's value
    std::string cookie;
    std::string secure_cookie;
    std::uint64_t end = 0;  // the sum of the weights up to this one
  };

  std::size_t part_at(std::uint64_t point) const;

  std::vector<Part> parts_;
  std::optional<config::HashKey> key_;
  std::string cookie_;
};

}  // namespace azulb::proxy
