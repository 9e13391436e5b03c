#include "azulb/balance/selector.hpp"

#include "azulb/balance/upstream_state.hpp"

namespace azulb::balance {

std::optional<std::uint32_t> Selector::choose_and_acquire(const Choice& choice) {
  // Before the choice: bounded loads count the request to be placed.
  upstream_.total_active_->value.fetch_add(1, std::memory_order_relaxed);
  std::optional<std::uint32_t> chosen = place(choice);
  if (!chosen && !choice.tried.empty()) chosen = place_on_ejected(choice);
  if (!chosen && !choice.tried.empty()) chosen = place(Choice{choice.hash, {}});
  if (!chosen) upstream_.total_active_->value.fetch_sub(1, std::memory_order_relaxed);
  return chosen;
}

std::optional<std::uint32_t> Selector::place_on_ejected(const Choice& choice) {
  for (std::uint32_t index = 0; index < upstream_.server_count(); ++index) {
    ServerState& server = upstream_.server(index);
    const ServerWord word = server.word();
    if (word.health() != Health::up || !word.ejected() || !word.enabled() || is_tried(choice, index))
      continue;
    if (word.active() >= server.most_requests()) continue;
    if (!ServerLoad::begin_if(server, word, word.stamp())) continue;
    upstream_.policy_->server_changed(index);
    return index;
  }
  return std::nullopt;
}

}  // namespace azulb::balance
