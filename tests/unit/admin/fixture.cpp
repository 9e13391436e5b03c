#include "fixture.hpp"

#include <algorithm>

#include <vector>

namespace azulb::test {
namespace {

std::shared_ptr<balance::ServerState> make_server(const std::string& name, const std::string& address,
                                                  bool checked) {
  balance::ServerSettings settings;
  settings.name = name;
  settings.address = address;
  settings.checked = checked;
  return std::make_shared<balance::ServerState>(settings);
}

}  // namespace

AdminFixture::AdminFixture(bool checked) {
  config.source = "azulb.toml";
  config.admin.emplace();
  config.listeners.resize(1);
  config.listeners[0].name = "http";
  config.listeners[0].address = {{"127.0.0.1", 8080, false}};
  config.routes.resize(2);
  config.routes[0].name = "users";
  config.routes[0].upstream = "app";
  config.routes[1].name = "old";
  config.upstreams.resize(1);
  config.upstreams[0].name = "app";
  config.upstreams[0].servers = {{"app1", {"127.0.0.1", 3001, false}, 1},
                                 {"app2", {"127.0.0.1", 3002, false}, 1}};
  labels = proxy::MetricLabels::from(config);

  balance::UpstreamSettings settings;
  settings.name = "app";
  settings.outlier.consecutive_errors = 1;
  std::vector<std::shared_ptr<balance::ServerState>> servers = {
      make_server("app1", "127.0.0.1:3001", checked), make_server("app2", "127.0.0.1:3002", checked)};
  upstream = std::make_shared<balance::UpstreamState>(settings, std::move(servers));

  first_worker = std::make_unique<proxy::WorkerMetrics>(labels.shape());
  second_worker = std::make_unique<proxy::WorkerMetrics>(labels.shape());
  sources.version = "1.2.3";
  sources.config = &config;
  sources.labels = &labels;
  sources.workers = {first_worker.get(), second_worker.get()};
  sources.upstreams = {{upstream, {}}};
  sources.started_ns = 1'795'426'429'000'000'000;               // 2026-11-23T09:33:49Z
  sources.wall_clock_ns = sources.started_ns + 61'500'000'000;  // a minute and 1.5 s later
  sources.monotonic_ms = 500'000;
}

admin::AdminReply AdminFixture::ask(std::string_view method, std::string_view path,
                                    admin::AdminRequest more) {
  more.method = method;
  more.path = path;
  if (more.host.empty()) more.host = "127.0.0.1:9900";
  if (method == "POST" && more.content_type.empty()) more.content_type = "application/json";
  return admin::handle(more, sources, *this);
}

bool AdminFixture::set_admin_state(std::uint32_t, std::uint32_t server, balance::AdminState state) {
  return upstream->set_admin_state(server, state);
}

base::Result<bool> AdminFixture::add_server(std::uint32_t, const config::Server& server) {
  if (server.address.port == 3001) return base::failure("127.0.0.1:3001 is there already: app1, of servers");
  const bool is_new = std::find(added.begin(), added.end(), server) == added.end();
  if (is_new) added.push_back(server);
  return is_new;
}

base::Result<void> AdminFixture::remove_server(std::uint32_t, std::uint32_t server) {
  removed.push_back(server);
  return {};
}

bool AdminFixture::set_weight(std::uint32_t, std::uint32_t server, std::uint32_t weight) {
  return upstream->set_weight(server, weight);
}

}  // namespace azulb::test
