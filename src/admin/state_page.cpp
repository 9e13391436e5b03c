#include <unistd.h>

#include "azulb/admin/pages.hpp"
#include "azulb/proxy/access_log.hpp"
#include "families.hpp"
#include "state.hpp"

namespace azulb::admin {
namespace {

using balance::ServerState;
using proxy::ServerMetrics;
using proxy::WorkerMetrics;

/// "2026-11-23T09:33:49.123Z"
std::string iso_time(std::int64_t wall_clock_ns) {
  proxy::TimeText times;
  char text[32];
  return {text, times.write_iso(wall_clock_ns, text)};
}

Json rollback_state(const Rollback& rollback) {
  if (rollback.time_ns == 0) return nullptr;
  return {{"time", iso_time(rollback.time_ns)}, {"reason", rollback.reason}};
}

Json process_state(const AdminSources& sources) {
  return {{"version", sources.version},
          {"pid", getpid()},
          {"started", iso_time(sources.started_ns)},
          {"uptime_seconds", (sources.wall_clock_ns - sources.started_ns) / 1'000'000'000},
          {"workers", sources.workers.size()},
          {"draining", sources.draining},
          {"configuration", sources.config->source},
          {"on_probation", sources.on_probation},
          {"last_rollback", rollback_state(sources.last_rollback)}};
}

Json listener_state(const AdminSources& sources, std::size_t index) {
  const config::Listener& listener = sources.config->listeners[index];
  const auto sum = [&](auto member) {
    return sum_over_workers(
        sources, [&](const WorkerMetrics& worker) { return (worker.listener(index).*member).value(); });
  };
  Json addresses = Json::array();
  for (const base::HostPort& address : listener.address)
    addresses.push_back(address.text());
  return {{"name", listener.name},
          {"address", std::move(addresses)},
          {"connections_active", sum(&proxy::ListenerMetrics::connections_active)},
          {"connections_accepted", sum(&proxy::ListenerMetrics::connections_accepted)},
          {"requests", sum(&proxy::ListenerMetrics::requests)}};
}

}  // namespace

Json latency_json(const balance::ServerState& server) {
  const std::uint32_t latency_us = server.latency().value_us();
  return latency_us == 0 ? Json(nullptr) : Json(latency_us / 1e3);
}

Json server_state(const AdminSources& sources, std::size_t upstream, std::size_t index) {
  const UpstreamSource& source = sources.upstreams[upstream];
  const ServerState& server = source.state->server(static_cast<std::uint32_t>(index));
  const auto sum = [&](auto read) {
    return sum_over_workers(
        sources, [&](const WorkerMetrics& worker) { return read(worker.server(upstream, index)); });
  };
  Json errors = Json::object();
  for (std::size_t kind = 0; kind < proxy::server_error_names.size(); ++kind) {
    errors[std::string(proxy::server_error_names[kind])] =
        sum([&](const ServerMetrics& metrics) { return metrics.errors[kind].value(); });
  }
  const std::int64_t since_ns =
      index < source.health_since_ns.size() ? source.health_since_ns[index] : sources.started_ns;
  const std::string& reason = server.health_tracker().state_reason();
  const std::int64_t until_ms = server.ejected_until_ms();
  const bool has_source = index < source.server_sources.size();
  Json state = {{"name", server.name()},
                {"address", server.address()},
                {"source", has_source ? source.server_sources[index] : "servers"},
                {"weight", server.weight()},
                {"configured_weight", server.configured_weight()},
                {"admin_state", balance::to_string(server.admin_state())},
                {"available", server.eligible()},
                {"health", balance::to_string(server.health())},
                {"health_since", iso_time(since_ns)},
                {"health_reason", nullptr},
                {"last_check", nullptr},
                {"ejected", server.ejected()},
                {"ejected_until", nullptr},
                {"active", server.active()},
                {"requests", sum([](const ServerMetrics& metrics) { return metrics.requests.value(); })},
                {"retries", sum([](const ServerMetrics& metrics) { return metrics.retries.value(); })},
                {"ejections", sum([](const ServerMetrics& metrics) { return metrics.ejections.value(); })},
                {"tunnels", sum([](const ServerMetrics& metrics) { return metrics.tunnels_active.value(); })},
                {"errors", std::move(errors)}};
  state["max_connections"] = nullptr;
  if (server.most_requests() != balance::unlimited_requests)
    state["max_connections"] = server.most_requests();
  state["latency_ms"] = latency_json(server);
  if (!server.checked()) {
    state["health_reason"] = "not checked";
  } else if (!reason.empty()) {
    state["health_reason"] = reason;
  }
  if (!server.health_tracker().last_reason().empty())
    state["last_check"] = server.health_tracker().last_reason();
  if (server.ejected() && until_ms > 0) {
    state["ejected_until"] = iso_time(sources.wall_clock_ns + (until_ms - sources.monotonic_ms) * 1'000'000);
  }
  return state;
}

Json upstream_state(const AdminSources& sources, std::size_t index) {
  const balance::UpstreamState& state = *sources.upstreams[index].state;
  const balance::UpstreamSummary summary = state.summary();
  Json servers = Json::array();
  for (std::size_t server = 0; server < state.server_count(); ++server) {
    servers.push_back(server_state(sources, index, server));
  }
  return {{"name", state.settings().name},
          {"balance", state.settings().balance},
          {"availability", balance::to_string(balance::availability_of(summary))},
          {"available_servers", summary.eligible},
          {"active", state.total_active()},
          {"waiting", state.waiting().count()},
          {"servers", std::move(servers)},
          {"removed", sources.upstreams[index].removed}};
}

Json state_json(const AdminSources& sources) {
  Json state = {
      {"process", process_state(sources)}, {"listeners", Json::array()}, {"upstreams", Json::array()}};
  for (std::size_t index = 0; index < sources.config->listeners.size(); ++index) {
    state["listeners"].push_back(listener_state(sources, index));
  }
  for (std::size_t index = 0; index < sources.upstreams.size(); ++index) {
    state["upstreams"].push_back(upstream_state(sources, index));
  }
  return state;
}

std::string state_page(const AdminSources& sources) {
  // A server's reason may quote bytes that are not UTF-8.
  return state_json(sources).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Readiness readiness(const AdminSources& sources) {
  Readiness result;
  if (sources.draining) result.text += "draining\n";
  for (const UpstreamSource& upstream : sources.upstreams) {
    const auto availability = balance::availability_of(upstream.state->summary());
    if (availability == balance::Availability::available) continue;
    result.text += "upstream " + upstream.state->settings().name +
                   " has no available server: " + std::string(balance::to_string(availability)) + "\n";
  }
  result.ready = result.text.empty();
  if (result.ready) result.text = "ready\n";
  return result;
}

}  // namespace azulb::admin
