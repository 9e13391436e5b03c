// What an event loop calls when something happens on a descriptor.
#pragma once

#include <cstdint>

namespace azulb::net {

class Watcher {
 public:
  virtual ~Watcher() = default;

 private:
  friend class Loop;
  /// `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR. Also called for events gathered before the
  /// watcher was closed in the same turn, so that it must know when it is closed.
  virtual void on_events(std::uint32_t events) = 0;
};

}  // namespace azulb::net
