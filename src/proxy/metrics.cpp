#include "azulb/proxy/metrics.hpp"

#include "azulb/config/config.hpp"

namespace azulb::proxy {

MetricsShape MetricLabels::shape() const {
  MetricsShape shape{listeners.size(), routes.size(), {}};
  for (const Upstream& upstream : upstreams)
    shape.servers.push_back(upstream.servers.size());
  return shape;
}

MetricLabels MetricLabels::from(const config::Config& config) {
  MetricLabels labels;
  for (const config::Listener& listener : config.listeners)
    labels.listeners.push_back(listener.name);
  for (const config::Route& route : config.routes)
    labels.routes.push_back({route.name, route.upstream});
  for (const config::Upstream& upstream : config.upstreams) {
    Upstream& named = labels.upstreams.emplace_back();
    named.name = upstream.name;
    for (const config::Server& server : upstream.servers)
      named.servers.push_back(server.name);
  }
  if (labels.routes.empty() && labels.upstreams.size() == 1) {
    labels.routes.push_back({"default", labels.upstreams.front().name});
  }
  return labels;
}

StatusCounters::~StatusCounters() {
  delete table_.load(std::memory_order_relaxed);
}

StatusCounters::Table* StatusCounters::make_table() {
  auto* const table = new Table;
  table_.store(table, std::memory_order_release);
  return table;
}

std::uint64_t StatusCounters::value(int status) const {
  const Table* const table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return 0;
  const auto slot = static_cast<unsigned>(status - first_status);
  return (*table)[slot < status_count ? slot : status_count].value();
}

WorkerMetrics::WorkerMetrics(const MetricsShape& shape)
    : listener_count_(shape.listeners),
      route_count_(shape.routes),
      server_offsets_(1, 0),
      listeners_(std::make_unique<ListenerMetrics[]>(shape.listeners)),
      routes_(std::make_unique<RouteMetrics[]>(shape.listeners * (shape.routes + 1))) {
  for (const std::size_t servers : shape.servers)
    server_offsets_.push_back(server_offsets_.back() + servers);
  servers_ = std::make_unique<ServerMetrics[]>(server_offsets_.back());
}

}  // namespace azulb::proxy
