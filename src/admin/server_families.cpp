// Families by upstream and server.
#include "families.hpp"

namespace azulb::admin {
namespace {

using balance::AdminState;
using balance::Health;
using balance::ServerState;
using prometheus::MetricType;
using proxy::ServerMetrics;
using proxy::WorkerMetrics;

/// Calls `visit(labels, upstream, server)` for every server.
template <typename Visit>
void for_each_server(const AdminSources& sources, Visit visit) {
  for (std::size_t upstream = 0; upstream < sources.labels->upstreams.size(); ++upstream) {
    const proxy::MetricLabels::Upstream& named = sources.labels->upstreams[upstream];
    for (std::size_t server = 0; server < named.servers.size(); ++server) {
      visit(Labels{{"upstream", named.name}, {"server", named.servers[server]}}, upstream, server);
    }
  }
}

void append_counts(const AdminSources& sources, Families& families) {
  struct Entry {
    const char* name;
    const char* help;
    MetricType type;
    std::uint64_t (*read)(const ServerMetrics& server);
  };
  static constexpr Entry entries[] = {
      {"azulb_server_requests_total", "Attempts made at this server.", MetricType::Counter,
       [](const ServerMetrics& server) { return server.requests.value(); }},
      {"azulb_server_retries_total", "Attempts at this server that followed a failed one elsewhere.",
       MetricType::Counter, [](const ServerMetrics& server) { return server.retries.value(); }},
      {"azulb_server_ejections_total", "Times live traffic took this server out.", MetricType::Counter,
       [](const ServerMetrics& server) { return server.ejections.value(); }},
      {"azulb_server_connections_opened_total", "Connections opened to this server.", MetricType::Counter,
       [](const ServerMetrics& server) { return server.connections_opened.value(); }},
      {"azulb_server_connections_reused_total", "Attempts that found a connection in the pool.",
       MetricType::Counter, [](const ServerMetrics& server) { return server.connections_reused.value(); }},
      {"azulb_server_connections_idle", "Connections to this server that wait in the pools.",
       MetricType::Gauge, [](const ServerMetrics& server) { return server.connections_idle.value(); }},
      {"azulb_server_tunnels_active", "Tunnels (WebSockets) open to this server.", MetricType::Gauge,
       [](const ServerMetrics& server) { return server.tunnels_active.value(); }},
  };
  for (const Entry& entry : entries) {
    Family family(entry.name, entry.help, entry.type);
    for_each_server(sources, [&](Labels labels, std::size_t upstream, std::size_t server) {
      family.add(std::move(labels), sum_over_workers(sources, [&](const WorkerMetrics& worker) {
                   return entry.read(worker.server(upstream, server));
                 }));
    });
    families.push_back(family.take());
  }
}

void append_errors(const AdminSources& sources, Families& families) {
  Family family("azulb_server_errors_total", "Failed attempts at this server, by kind.", MetricType::Counter);
  for_each_server(sources, [&](const Labels& labels, std::size_t upstream, std::size_t server) {
    for (std::size_t kind = 0; kind < proxy::server_error_names.size(); ++kind) {
      Labels with_kind = labels;
      with_kind.push_back({"kind", std::string(proxy::server_error_names[kind])});
      family.add(std::move(with_kind), sum_over_workers(sources, [&](const WorkerMetrics& worker) {
                   return worker.server(upstream, server).errors[kind].value();
                 }));
    }
  });
  families.push_back(family.take());
}

void append_floods(const AdminSources& sources, Families& families) {
  Family family("azulb_server_floods_total",
                "What this server sent too much of, by kind; each ended a connection and the streams on it.",
                MetricType::Counter);
  for_each_server(sources, [&](const Labels& labels, std::size_t upstream, std::size_t server) {
    for (const http::Flood flood : http::server_floods) {
      const auto kind = static_cast<std::size_t>(flood);
      Labels with_kind = labels;
      with_kind.push_back({"kind", std::string(http::flood_names[kind])});
      family.add(std::move(with_kind), sum_over_workers(sources, [&](const WorkerMetrics& worker) {
                   return worker.server(upstream, server).floods[kind].value();
                 }));
    }
  });
  families.push_back(family.take());
}

void append_histogram(const AdminSources& sources, Families& families, const char* name, const char* help,
                      const base::Histogram ServerMetrics::*member) {
  Family family(name, help, MetricType::Histogram);
  for_each_server(sources, [&](Labels labels, std::size_t upstream, std::size_t server) {
    family.add(std::move(labels),
               histogram_over_workers(sources, [&](const WorkerMetrics& worker) -> const base::Histogram& {
                 return worker.server(upstream, server).*member;
               }));
  });
  families.push_back(family.take());
}

/// A sample for each of `states`: 1 for the one that is `now`.
template <typename State>
void add_one_of(Family& family, const Labels& labels, State now, std::initializer_list<State> states) {
  for (const State state : states) {
    Labels with_state = labels;
    with_state.push_back({"state", std::string(balance::to_string(state))});
    family.add(std::move(with_state), std::uint64_t{state == now ? 1U : 0U});
  }
}

void append_states(const AdminSources& sources, Families& families) {
  struct Entry {
    const char* name;
    const char* help;
    std::uint64_t (*read)(const ServerState& server);
  };
  static constexpr Entry entries[] = {
      {"azulb_server_up", "1: the health checks say up, or there are none. An ejected server may be up.",
       [](const ServerState& server) -> std::uint64_t { return server.health() == Health::up ? 1 : 0; }},
      {"azulb_server_ejected", "1: live traffic has taken this server out for a while.",
       [](const ServerState& server) -> std::uint64_t { return server.ejected() ? 1 : 0; }},
      {"azulb_server_active_requests", "Requests under way at this server.",
       [](const ServerState& server) -> std::uint64_t { return server.active(); }},
      {"azulb_server_weight", "Weight now, as configured or as set since.",
       [](const ServerState& server) -> std::uint64_t { return server.weight(); }},
  };
  for (const Entry& entry : entries) {
    Family family(entry.name, entry.help, MetricType::Gauge);
    for_each_server(sources, [&](Labels labels, std::size_t upstream, std::size_t server) {
      const auto& state = *sources.upstreams[upstream].state;
      family.add(std::move(labels), entry.read(state.server(static_cast<std::uint32_t>(server))));
    });
    families.push_back(family.take());
  }

  Family health("azulb_server_health", "1 for the state that the health checks have found, 0 for the others.",
                MetricType::Gauge);
  for_each_server(sources, [&](const Labels& labels, std::size_t upstream, std::size_t server) {
    const Health now = sources.upstreams[upstream].state->server(static_cast<std::uint32_t>(server)).health();
    add_one_of(health, labels, now, {Health::unknown, Health::up, Health::down});
  });
  families.push_back(health.take());

  Family admin("azulb_server_admin_state", "1 for the state that was asked for, 0 for the others.",
               MetricType::Gauge);
  for_each_server(sources, [&](const Labels& labels, std::size_t upstream, std::size_t server) {
    const auto& state = *sources.upstreams[upstream].state;
    const AdminState now = state.server(static_cast<std::uint32_t>(server)).admin_state();
    add_one_of(admin, labels, now, {AdminState::enabled, AdminState::draining, AdminState::disabled});
  });
  families.push_back(admin.take());
}

}  // namespace

void append_server_families(const AdminSources& sources, Families& families) {
  append_counts(sources, families);
  append_errors(sources, families);
  append_floods(sources, families);
  append_states(sources, families);
  append_histogram(sources, families, "azulb_server_connect_seconds", "Time to connect to this server.",
                   &ServerMetrics::connect_time);
  append_histogram(sources, families, "azulb_server_response_seconds",
                   "From the request sent to the head of this server's response.",
                   &ServerMetrics::response_time);

  Family available("azulb_upstream_available_servers",
                   "Servers that may be chosen: up, enabled and not ejected.", MetricType::Gauge);
  for (std::size_t upstream = 0; upstream < sources.upstreams.size(); ++upstream) {
    available.add({{"upstream", sources.labels->upstreams[upstream].name}},
                  std::uint64_t{sources.upstreams[upstream].state->summary().eligible});
  }
  families.push_back(available.take());

  Family waiting("azulb_upstream_waiting_requests", "Requests that wait for a server.", MetricType::Gauge);
  for (std::size_t upstream = 0; upstream < sources.upstreams.size(); ++upstream) {
    waiting.add({{"upstream", sources.labels->upstreams[upstream].name}},
                sources.upstreams[upstream].state->waiting().count());
  }
  families.push_back(waiting.take());
}

}  // namespace azulb::admin
