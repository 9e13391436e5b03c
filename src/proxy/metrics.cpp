#include "azulb/proxy/metrics.hpp"

#include <optional>
#include <type_traits>
#include <unordered_map>

#include "azulb/config/config.hpp"

namespace azulb::proxy {
namespace {

/// Where each name stands in a list.
class Places {
 public:
  template <typename List, typename NameOf>
  Places(const List& list, NameOf name_of) {
    for (std::size_t index = 0; index < list.size(); ++index)
      places_.emplace(name_of(list[index]), index);
  }
  std::optional<std::size_t> find(const std::string& name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace

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
  for (const config::Route& route : config.routes) {
    for (const config::SplitTarget& target : route.split)
      labels.routes.push_back({route.name, target.upstream});
    if (route.split.empty()) labels.routes.push_back({route.name, route.upstream});
  }
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

WorkerMetrics::WorkerMetrics(const MetricsShape& shape, Gaps)
    : route_count_(shape.routes),
      server_offsets_(1, 0),
      listeners_(shape.listeners),
      routes_(shape.listeners * (shape.routes + 1)) {
  for (const std::size_t servers : shape.servers)
    server_offsets_.push_back(server_offsets_.back() + servers);
  servers_.resize(server_offsets_.back());
}

WorkerMetrics::WorkerMetrics(const MetricsShape& shape) : WorkerMetrics(shape, Gaps{}) {
  fill_gaps();
}

WorkerMetrics::WorkerMetrics(const MetricLabels& labels, const WorkerMetrics& earlier,
                             const MetricLabels& earlier_labels)
    : WorkerMetrics(labels.shape(), Gaps{}) {
  take_over_routes(labels, earlier, earlier_labels);
  take_over_servers(labels, earlier, earlier_labels);
  fill_gaps();
}

void WorkerMetrics::take_over_routes(const MetricLabels& labels, const WorkerMetrics& earlier,
                                     const MetricLabels& earlier_labels) {
  const auto listener_name = [](const std::string& name) { return name; };
  const auto route_name = [](const MetricLabels::Route& route) { return route.name + '\n' + route.upstream; };
  const Places listeners(earlier_labels.listeners, listener_name);
  const Places routes(earlier_labels.routes, route_name);
  for (std::size_t listener = 0; listener < labels.listeners.size(); ++listener) {
    const auto before = listeners.find(labels.listeners[listener]);
    if (!before) continue;
    listeners_[listener] = earlier.listeners_[*before];
    routes_[place(listener, no_route())] = earlier.routes_[earlier.place(*before, earlier.no_route())];
    for (std::size_t route = 0; route < route_count_; ++route) {
      if (const auto same = routes.find(route_name(labels.routes[route])))
        routes_[place(listener, route)] = earlier.routes_[earlier.place(*before, *same)];
    }
  }
}

void WorkerMetrics::take_over_servers(const MetricLabels& labels, const WorkerMetrics& earlier,
                                      const MetricLabels& earlier_labels) {
  const auto upstream_name = [](const MetricLabels::Upstream& upstream) { return upstream.name; };
  const auto server_name = [](const std::string& name) { return name; };
  const Places upstreams(earlier_labels.upstreams, upstream_name);
  for (std::size_t upstream = 0; upstream < labels.upstreams.size(); ++upstream) {
    const auto before = upstreams.find(labels.upstreams[upstream].name);
    if (!before) continue;
    const Places servers(earlier_labels.upstreams[*before].servers, server_name);
    for (std::size_t server = 0; server < server_count(upstream); ++server) {
      if (const auto same = servers.find(labels.upstreams[upstream].servers[server]))
        servers_[server_offsets_[upstream] + server] =
            earlier.servers_[earlier.server_offsets_[*before] + *same];
    }
  }
}

void WorkerMetrics::fill_gaps() {
  const auto fill = [](auto& table) {
    for (auto& series : table) {
      if (series == nullptr)
        series = std::make_shared<typename std::decay_t<decltype(series)>::element_type>();
    }
  };
  fill(listeners_);
  fill(routes_);
  fill(servers_);
}

}  // namespace azulb::proxy
