// Work that may block (names, files), away from main.
#pragma once

#include <functional>
#include <memory>

#include "azulb/net/loop.hpp"

namespace azulb::daemon {

/// Main's.
class Background {
 public:
  /// What follows, on main.
  using Follow = std::function<void()>;

  explicit Background(net::Loop& main);
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  /// What is under way is not waited for, as a name server may let it hang for long; nothing follows it.
  ~Background();

  /// Runs `work` on a thread of its own. It must not refer to what may go before it ends.
  void run(std::function<Follow()> work);

 private:
  struct Link;
  std::shared_ptr<Link> link_;
};

}  // namespace azulb::daemon
