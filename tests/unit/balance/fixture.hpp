// An upstream to test with, and threads that choose from it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "azulb/balance/upstream_state.hpp"

namespace azulb::balance::testing {

inline ServerSettings server_named(const std::string& name, std::uint32_t weight = 1, bool checked = false) {
  ServerSettings settings;
  settings.name = name;
  settings.address = name;
  settings.weight = weight;
  settings.checked = checked;
  return settings;
}

/// Servers "s0", "s1", ... without checks, so up; with `checked`, unknown.
inline std::vector<std::shared_ptr<ServerState>> servers_of_weights(const std::vector<std::uint32_t>& weights,
                                                                    bool checked = false) {
  std::vector<std::shared_ptr<ServerState>> servers;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    servers.push_back(
        std::make_shared<ServerState>(server_named("s" + std::to_string(i), weights[i], checked)));
  }
  return servers;
}

inline UpstreamSettings settings_of(const std::string& policy) {
  UpstreamSettings settings;
  settings.name = "app";
  settings.balance = policy;
  return settings;
}

inline std::unique_ptr<UpstreamState> upstream_of(const std::string& policy,
                                                  const std::vector<std::uint32_t>& weights) {
  return std::make_unique<UpstreamState>(settings_of(policy), servers_of_weights(weights));
}

/// Checked servers whose first check has passed: they can be taken down by a failed row of checks.
inline std::unique_ptr<UpstreamState> checked_upstream_of(const UpstreamSettings& settings,
                                                          const std::vector<std::uint32_t>& weights) {
  auto upstream = std::make_unique<UpstreamState>(settings, servers_of_weights(weights, true));
  for (std::uint32_t i = 0; i < upstream->server_count(); ++i)
    upstream->record_check(i, true, "status 200");
  return upstream;
}

inline void take_down(UpstreamState& upstream, std::uint32_t index) {
  while (upstream.server(index).health() == Health::up)
    upstream.record_check(index, false, "refused");
}

inline void bring_up(UpstreamState& upstream, std::uint32_t index) {
  while (upstream.server(index).health() != Health::up)
    upstream.record_check(index, true, "status 200");
}

/// `work(thread number, selector)` on each of `threads` threads at once, with a selector of its own.
template <typename Work>
void on_threads(UpstreamState& upstream, unsigned threads, const Work& work) {
  std::vector<std::unique_ptr<Selector>> selectors;
  for (unsigned i = 0; i < threads; ++i)
    selectors.push_back(upstream.make_selector(i + 1));
  std::vector<std::thread> running;
  for (unsigned i = 0; i < threads; ++i) {
    running.emplace_back([&work, &selectors, i] { work(i, *selectors[i]); });
  }
  for (auto& thread : running)
    thread.join();
}

}  // namespace azulb::balance::testing
