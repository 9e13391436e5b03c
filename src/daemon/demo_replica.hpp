// One of the demo's applications.
#pragma once

#include <string>
#include <string_view>

#include "azulb/admin/local_server.hpp"

namespace azulb::daemon {

/// The loop's thread only. Pages: see DemoReplicas.
class DemoReplica final : public admin::LocalHandler {
 public:
  explicit DemoReplica(std::string name) : name_(std::move(name)) {}

  void handle(admin::LocalExchange& exchange) override;

 private:
  void answer(admin::LocalExchange& exchange, int status, std::string_view text) const;
  void show_request(admin::LocalExchange& exchange) const;
  void health(admin::LocalExchange& exchange) const;
  void set_health(admin::LocalExchange& exchange, bool healthy);
  void slow(admin::LocalExchange& exchange) const;
  void status(admin::LocalExchange& exchange, std::string_view code) const;
  void events(admin::LocalExchange& exchange) const;
  void websocket(admin::LocalExchange& exchange) const;

  const std::string name_;
  bool healthy_ = true;
};

}  // namespace azulb::daemon
