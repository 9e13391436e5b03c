#include "azulb/balance/upstream_state.hpp"

#include <utility>

#include "azulb/base/assert.hpp"

namespace azulb::balance {

std::string_view to_string(Availability availability) {
  switch (availability) {
    case Availability::available:
      return "available";
    case Availability::awaiting_first_check:
      return "awaiting_first_check";
    case Availability::ejected:
      return "ejected";
    case Availability::drained:
      return "drained";
    case Availability::down:
      break;
  }
  return "down";
}

Availability availability_of(const UpstreamSummary& summary) {
  if (summary.eligible > 0) return Availability::available;
  if (summary.awaited > 0) return Availability::awaiting_first_check;
  if (summary.up > summary.withheld) return Availability::ejected;
  return summary.withheld > 0 ? Availability::drained : Availability::down;
}

UpstreamState::UpstreamState(const UpstreamSettings& settings,
                             std::vector<std::shared_ptr<ServerState>> servers, const UpstreamState* earlier)
    : settings_(settings),
      servers_(std::move(servers)),
      total_active_(earlier != nullptr ? earlier->total_active_ : std::make_shared<Total>()),
      outlier_(settings_.outlier, servers_),
      retry_budget_(settings_.retry.budget) {
  AZULB_ASSERT(servers_.size() <= max_servers);
  seen_.resize(servers_.size());
  for (std::uint32_t index = 0; index < server_count(); ++index)
    note_seen(index);
  const PolicyEntry* entry = find_policy(settings_.balance);
  AZULB_ASSERT(entry != nullptr);
  policy_ = entry->make(*this);
  measures_latency_ = policy_->measures_latency();
}

std::optional<std::uint32_t> UpstreamState::preview(const Choice& choice) const {
  std::vector<std::shared_ptr<ServerState>> servers;
  servers.reserve(servers_.size());
  for (const auto& server : servers_)
    servers.push_back(server->copy());
  UpstreamState copy(settings_, std::move(servers));
  copy.total_active_->value.store(total_active());
  copy.policy_->continue_from(*policy_);
  return copy.make_selector(generation())->choose_and_acquire(choice);
}

void UpstreamState::acquire(std::uint32_t index) {
  total_active_->value.fetch_add(1, std::memory_order_relaxed);
  ServerLoad::begin(*servers_[index]);
  policy_->server_changed(index);
}

void UpstreamState::release(std::uint32_t index) {
  ServerLoad::end(*servers_[index]);
  total_active_->value.fetch_sub(1, std::memory_order_relaxed);
  policy_->server_changed(index);
  if (!waiting_.empty()) waiting_.wake_next();
}

bool UpstreamState::record_check(std::uint32_t index, bool passed, std::string_view reason) {
  ServerState& server = *servers_[index];
  const std::uint64_t before = health_bits(server);
  if (!server.health_tracker_.record(passed, reason)) return false;
  // Only main changes these bits, so the difference is still right when other bits have changed meanwhile.
  server.word_.fetch_xor(before ^ health_bits(server));
  note_seen(index);
  eligibility_changed(index);
  return true;
}

std::uint64_t UpstreamState::health_bits(const ServerState& server) {
  return static_cast<std::uint64_t>(server.health_tracker_.state()) << ServerWord::health_shift;
}

bool UpstreamState::set_admin_state(std::uint32_t index, AdminState state) {
  ServerState& server = *servers_[index];
  const AdminState before = server.admin_state();
  if (before == state) return false;
  if (before == AdminState::disabled) restart_health(server);
  // As with health, only main changes these bits.
  const auto difference = static_cast<std::uint64_t>(before) ^ static_cast<std::uint64_t>(state);
  server.word_.fetch_xor(difference << ServerWord::admin_shift);
  note_seen(index);
  eligibility_changed(index);
  return true;
}

void UpstreamState::restart_health(ServerState& server) {
  const std::uint64_t before = health_bits(server);
  server.health_tracker_ = HealthTracker(server.health_settings_);
  server.word_.fetch_xor(before ^ health_bits(server));
}

bool UpstreamState::set_weight(std::uint32_t index, std::uint32_t weight) {
  AZULB_ASSERT(weight >= 1 && weight <= max_weight);
  if (servers_[index]->weight_.exchange(weight) == weight) return false;
  note_seen(index);
  policy_->weight_changed(index);
  generation_.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

void UpstreamState::configure_weight(std::uint32_t index, std::uint32_t weight) {
  if (weight == std::exchange(servers_[index]->configured_weight_, weight)) return;
  set_weight(index, weight);
}

void UpstreamState::configure_most_requests(std::uint32_t index, std::uint32_t most_requests) {
  AZULB_ASSERT(most_requests >= 1);
  if (servers_[index]->most_requests_.exchange(most_requests) == most_requests) return;
  policy_->server_changed(index);
  if (!waiting_.empty()) waiting_.wake_next();
}

Ejection UpstreamState::record_outcome(std::uint32_t index, Outcome outcome, std::int64_t now_ms) {
  // Who fails at once must not look fast.
  if (measures_latency_ && outcome == Outcome::error)
    servers_[index]->latency_.observe(PeakLatency::failed_us, now_ms);
  const Ejection ejection = outlier_.record(index, outcome, now_ms);
  if (ejection.verdict == Ejection::Verdict::ejected) eligibility_changed(index);
  return ejection;
}

std::vector<std::uint32_t> UpstreamState::expire_ejections(std::int64_t now_ms) {
  std::vector<std::uint32_t> returned;
  outlier_.expire(now_ms, returned);
  for (const std::uint32_t index : returned) {
    note_seen(index);
    eligibility_changed(index);
  }
  for (std::uint32_t index = 0; index < server_count(); ++index) {
    const Seen before = seen_[index];
    note_seen(index);
    if (seen_[index].weight != before.weight) policy_->weight_changed(index);
    if (seen_[index] != before) eligibility_changed(index);
    // A request under way will tell how it is now.
    if (measures_latency_ && servers_[index]->active() == 0) servers_[index]->latency_.forget_old(now_ms);
  }
  policy_->reconcile();
  if (!waiting_.empty()) waiting_.wake_next();
  return returned;
}

void UpstreamState::note_seen(std::uint32_t index) {
  seen_[index] = {servers_[index]->eligible(), servers_[index]->weight()};
}

void UpstreamState::eligibility_changed(std::uint32_t index) {
  policy_->server_changed(index);
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

UpstreamSummary UpstreamState::summary() const {
  UpstreamSummary summary;
  summary.servers = server_count();
  for (const auto& server : servers_) {
    const ServerWord word = server->word();
    if (word.health() == Health::up) ++summary.up;
    if (word.health() == Health::down) ++summary.down;
    if (word.health() == Health::unknown) ++summary.unknown;
    if (word.ejected()) ++summary.ejected;
    if (word.admin_state() == AdminState::draining) ++summary.draining;
    if (word.admin_state() == AdminState::disabled) ++summary.disabled;
    if (word.eligible()) ++summary.eligible;
    if (!word.enabled() && word.health() == Health::up) ++summary.withheld;
    if (!word.enabled()) continue;
    if (word.health() == Health::unknown) ++summary.awaited;
    if (word.health() != Health::up || !word.ejected()) continue;
    const std::int64_t until_ms = server->ejected_until_ms();
    const bool sooner = summary.next_return_ms == 0 || until_ms < summary.next_return_ms;
    if (until_ms != 0 && sooner) summary.next_return_ms = until_ms;
  }
  return summary;
}

}  // namespace azulb::balance
