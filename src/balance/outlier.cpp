#include "azulb/balance/outlier.hpp"

#include <algorithm>
#include <cmath>

namespace azulb::balance {

namespace {

/// Keeps the line shared between workers while there is nothing to reset.
void reset(std::atomic<std::uint32_t>& counter) {
  if (counter.load(std::memory_order_relaxed) != 0) counter.store(0, std::memory_order_relaxed);
}

std::uint32_t count_limit(double share, std::size_t servers) {
  // 0.29 x 100 is a little less than 29 in binary; a count must not be lost to that.
  const double limit = std::floor(std::clamp(share, 0.0, 1.0) * static_cast<double>(servers) + 1e-6);
  return static_cast<std::uint32_t>(limit);
}

}  // namespace

Outlier::Outlier(const OutlierSettings& settings, std::span<const std::shared_ptr<ServerState>> servers)
    : settings_(settings),
      servers_(servers),
      ejected_limit_(count_limit(settings.max_ejected, servers.size())),
      counted_(std::make_unique<std::atomic<bool>[]>(servers.size())) {
  for (std::size_t index = 0; index < servers_.size(); ++index) {
    const bool ejected = servers_[index]->ejected();  // inherited through a reload
    counted_[index].store(ejected);
    if (ejected) ejected_count_.fetch_add(1);
  }
}

Ejection Outlier::record(std::uint32_t index, Outcome outcome, std::int64_t now_ms) {
  ServerState& server = *servers_[index];
  // What was under way when the server was ejected says nothing about how it will be when it comes back.
  if (server.ejected()) return {};
  if (outcome == Outcome::error) {
    if (settings_.consecutive_errors == 0) return {};
    const std::uint32_t errors = server.consecutive_errors_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (errors < settings_.consecutive_errors) return {};
    return eject(index, outcome, errors, settings_.consecutive_errors, now_ms);
  }
  reset(server.consecutive_errors_);
  if (outcome == Outcome::status_5xx && settings_.consecutive_5xx > 0) {
    const std::uint32_t answers = server.consecutive_5xx_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (answers < settings_.consecutive_5xx) return {};
    return eject(index, outcome, answers, settings_.consecutive_5xx, now_ms);
  }
  reset(server.consecutive_5xx_);
  reset(server.ejections_in_a_row_);
  return {};
}

Ejection Outlier::eject(std::uint32_t index, Outcome cause, std::uint32_t failures, std::uint32_t threshold,
                        std::int64_t now_ms) {
  ServerState& server = *servers_[index];
  if (!reserve_ejection()) {
    if (failures != threshold) return {};
    return Ejection{Ejection::Verdict::withheld, cause, failures, 0};
  }
  const std::uint32_t before = server.ejections_in_a_row_.load(std::memory_order_relaxed);
  const std::int64_t duration_ms = ejection_duration_ms(before);
  // Setting the time from 0 is the claim: of several workers that see the last failure at once, one ejects.
  std::int64_t not_ejected = 0;
  if (!server.ejected_until_ms_.compare_exchange_strong(not_ejected, now_ms + duration_ms)) {
    ejected_count_.fetch_sub(1);
    return {};
  }
  server.ejections_in_a_row_.store(before + 1, std::memory_order_relaxed);
  server.consecutive_errors_.store(0, std::memory_order_relaxed);
  server.consecutive_5xx_.store(0, std::memory_order_relaxed);
  server.word_.fetch_or(ServerWord::ejected_bit);
  // expire() may have seen the bit first and counted it.
  if (counted_[index].exchange(true)) ejected_count_.fetch_sub(1);
  return Ejection{Ejection::Verdict::ejected, cause, failures, duration_ms};
}

bool Outlier::reserve_ejection() {
  std::uint32_t count = ejected_count_.load();
  while (count < ejected_limit_) {
    if (ejected_count_.compare_exchange_weak(count, count + 1)) return true;
  }
  return false;
}

std::int64_t Outlier::ejection_duration_ms(std::uint32_t ejections_before) const {
  std::int64_t duration_ms = std::clamp<std::int64_t>(settings_.ejection.count(), 1, max_ejection_ms);
  for (std::uint32_t i = 0; i < ejections_before && duration_ms < max_ejection_ms; ++i)
    duration_ms *= 2;
  return std::min(duration_ms, max_ejection_ms);
}

void Outlier::expire(std::int64_t now_ms, std::vector<std::uint32_t>& returned) {
  for (std::uint32_t index = 0; index < servers_.size(); ++index) {
    ServerState& server = *servers_[index];
    const std::int64_t until_ms = server.ejected_until_ms_.load();
    if (until_ms != 0 && until_ms <= now_ms && server.ejected()) {
      // The time last: it is the claim, and while it stands nobody else ejects.
      server.word_.fetch_and(~ServerWord::ejected_bit);
      server.ejected_until_ms_.store(0);
      returned.push_back(index);
    }
    if (server.ejected()) {
      if (!counted_[index].exchange(true)) ejected_count_.fetch_add(1);
    } else if (server.ejected_until_ms_.load() == 0 && counted_[index].exchange(false)) {
      ejected_count_.fetch_sub(1);
    }
  }
}

}  // namespace azulb::balance
