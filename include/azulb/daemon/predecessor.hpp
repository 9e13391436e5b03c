// The azulb whose place this one takes, if there is one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/daemon/handover.hpp"
#include "azulb/daemon/inherited_sockets.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::daemon {

/// Until it is told that this process is ready, it goes on serving, and if this process fails, for good.
/// Main only.
class Predecessor final : private net::Watcher {
 public:
  /// Takes what the environment says about it, and removes that, as it is for no other process.
  Predecessor();
  Predecessor(const Predecessor&) = delete;
  Predecessor& operator=(const Predecessor&) = delete;
  ~Predecessor() override;

  /// Null: there is none.
  const Handover* handover() const { return handover_ ? &*handover_ : nullptr; }

  /// This process can't take its place, and why, in a sentence or lines; it is about to end.
  void refuse(const std::string& reason);
  /// Tells it that this process is ready but for the sockets `left`, and turns the loop until this process
  /// may serve. The error says that it will not come to that.
  base::Result<void> replace(net::Loop& loop, const std::vector<int>& left,
                             const std::function<bool()>& interrupted);
  /// It has gone away, or given up on this process.
  bool gone() const;

 private:
  void on_events(std::uint32_t events) override;
  void say(const std::string& message) const;

  std::optional<Handover> handover_;
  bool may_serve_ = false;
  bool gone_ = false;
};

}  // namespace azulb::daemon
