#include "azulb/daemon/background.hpp"

#include <mutex>
#include <thread>
#include <utility>

#include "azulb/base/signals_blocked.hpp"

namespace azulb::daemon {

struct Background::Link {
  std::mutex mutex;
  net::Loop* main;  // null: it has gone
};

Background::Background(net::Loop& main) : link_(std::make_shared<Link>()) {
  link_->main = &main;
}

Background::~Background() {
  const std::lock_guard lock(link_->mutex);
  link_->main = nullptr;
}

void Background::run(std::function<Follow()> work) {
  const base::SignalsBlocked blocked;
  std::thread([link = link_, work = std::move(work)] {
    Follow follow = work();
    const std::lock_guard lock(link->mutex);
    if (link->main != nullptr) link->main->post(std::move(follow));
  }).detach();
}

}  // namespace azulb::daemon
