// A request of the admin interface whose reply takes time.
#pragma once

#include <memory>

#include "azulb/admin/local_server.hpp"

namespace azulb::daemon {

/// Owned by its exchange, and forgets it when the client goes.
class AwaitedReply final : public admin::LocalStream {
 public:
  explicit AwaitedReply(admin::LocalExchange& exchange)
      : exchange_(std::make_shared<admin::LocalExchange*>(&exchange)) {}

  /// Null once nobody waits any more. May be kept for as long as one likes.
  std::shared_ptr<admin::LocalExchange*> exchange() const { return exchange_; }

 private:
  void on_closed() override { *exchange_ = nullptr; }

  std::shared_ptr<admin::LocalExchange*> exchange_;
};

}  // namespace azulb::daemon
