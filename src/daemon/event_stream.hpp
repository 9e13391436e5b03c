// One watcher of the dashboard's events.
#pragma once

#include <string_view>

#include "azulb/admin/local_server.hpp"
#include "azulb/base/intrusive_list.hpp"

namespace azulb::daemon {

/// Owned by its exchange. A watcher that is behind misses events: each tells everything.
class EventStream final : public admin::LocalStream, public base::ListNode<> {
 public:
  explicit EventStream(admin::LocalExchange& exchange) : exchange_(exchange) {}

  void send(std::string_view event) { exchange_.write(event); }
  void end() {
    unlink();
    exchange_.end();
  }

 private:
  void on_closed() override { unlink(); }

  admin::LocalExchange& exchange_;
};

}  // namespace azulb::daemon
