#include "azulb/balance/server_state.hpp"

#include <algorithm>

#include "azulb/base/assert.hpp"

namespace azulb::balance {

namespace {

HealthSettings effective_health(const ServerSettings& settings) {
  HealthSettings health = settings.health;
  if (!settings.checked) health.initial = HealthInitial::up;
  return health;
}

}  // namespace

std::string_view to_string(AdminState state) {
  switch (state) {
    case AdminState::enabled:
      return "enabled";
    case AdminState::draining:
      return "draining";
    case AdminState::disabled:
      break;
  }
  return "disabled";
}

ServerState::ServerState(const ServerSettings& settings, const PeakLatency& latency)
    : word_(0),
      latency_(latency),
      weight_(std::clamp<std::uint32_t>(settings.weight, 1, max_weight)),
      configured_weight_(weight_.load()),
      most_requests_(settings.most_requests),
      checked_(settings.checked),
      name_(settings.name),
      address_(settings.address),
      health_settings_(effective_health(settings)),
      health_tracker_(health_settings_) {
  word_.store(static_cast<std::uint64_t>(health_tracker_.state()) << ServerWord::health_shift);
}

std::shared_ptr<ServerState> ServerState::copy() const {
  const ServerSettings settings{
      .name = name_,
      .address = address_,
      .weight = weight(),
      .most_requests = most_requests(),
      .checked = checked_,
      .health = health_settings_,
  };
  auto copied = std::make_shared<ServerState>(settings, latency_);
  copied->word_.store(word().bits);
  copied->ejected_until_ms_.store(ejected_until_ms());
  return copied;
}

void ServerLoad::begin(ServerState& server) {
  server.word_.fetch_add(1);
}

bool ServerLoad::begin_within(ServerState& server, std::uint32_t limit) {
  limit = std::min(limit, server.most_requests());
  std::uint64_t bits = server.word_.load();
  while (ServerWord{bits}.eligible() && ServerWord{bits}.active() < limit) {
    if (server.word_.compare_exchange_weak(bits, bits + 1)) return true;
  }
  return false;
}

bool ServerLoad::begin_if(ServerState& server, ServerWord expected, std::uint64_t stamp) {
  constexpr std::uint64_t below_stamp = (1ULL << ServerWord::stamp_shift) - 1;
  const std::uint64_t desired = ((expected.bits & below_stamp) + 1) | (stamp << ServerWord::stamp_shift);
  return server.word_.compare_exchange_strong(expected.bits, desired);
}

void ServerLoad::end(ServerState& server) {
  const ServerWord before{server.word_.fetch_sub(1)};
  AZULB_ASSERT(before.active() > 0);
}

}  // namespace azulb::balance
