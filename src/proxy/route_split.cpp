#include "azulb/proxy/route_split.hpp"

#include <fmt/format.h>

#include "azulb/balance/hash_key.hpp"
#include "azulb/http/lookup.hpp"
#include "azulb/proxy/server_request.hpp"

namespace azulb::proxy {
namespace {

/// Tells a client nothing but whether two answers are of one part.
std::string token_of(const std::string& upstream) {
  return fmt::format("{:08x}", balance::hash_key("split " + upstream) & 0xffffffffU);
}

/// Spreads a hash anew: a policy of the upstream may go by the same key, and would otherwise see only the
/// hashes of this part. (The finaliser of SplitMix64.)
std::uint64_t mixed(std::uint64_t hash) {
  hash = (hash ^ (hash >> 30U)) * 0xbf58476d1ce4e5b9U;
  hash = (hash ^ (hash >> 27U)) * 0x94d049bb133111ebU;
  return hash ^ (hash >> 31U);
}

}  // namespace

RouteSplit::RouteSplit(const config::Route& route) : key_(route.split_key), cookie_(route.split_cookie) {
  std::uint64_t sum = 0;
  for (const config::SplitTarget& target : route.split) {
    Part& part = parts_.emplace_back();
    part.end = sum += target.weight;
    part.token = token_of(target.upstream);
    if (cookie_.empty()) continue;
    part.cookie = cookie_ + "=" + part.token + "; Path=/; HttpOnly; SameSite=Lax";
    part.secure_cookie = part.cookie + "; Secure";
  }
}

RouteSplit::Choice RouteSplit::choose(const http::Request& request, std::uint64_t random) const {
  if (!cookie_.empty()) {
    const auto token = http::find_cookie(request.head, cookie_);
    for (std::size_t part = 0; token && part < parts_.size(); ++part) {
      if (parts_[part].token == *token) return {part, Reason::cookie};
    }
  }
  if (key_) {
    const std::string_view value = hash_value(*key_, request);
    if (!value.empty()) return {part_at(mixed(balance::hash_key(value))), Reason::key};
  }
  return {part_at(random), Reason::chance};
}

std::size_t RouteSplit::part_at(std::uint64_t point) const {
  __extension__ using Wide = unsigned __int128;
  const auto place = static_cast<std::uint64_t>((static_cast<Wide>(point) * parts_.back().end) >> 64U);
  std::size_t part = 0;
  while (place >= parts_[part].end)
    ++part;
  return part;
}

std::string_view RouteSplit::set_cookie(std::size_t part, bool secure) const {
  return secure ? parts_[part].secure_cookie : parts_[part].cookie;
}

}  // namespace azulb::proxy
