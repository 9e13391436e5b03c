// Failures that say nothing of the peer.
#pragma once

#include <cerrno>

namespace azulb::net {

/// This process or its system is short of something: nothing follows for the peer that was to be reached.
constexpr bool is_own_shortage(int system_error) {
  switch (system_error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:         // no epoll watch left
    case EADDRNOTAVAIL:  // no local port left
      return true;
    default:
      return false;
  }
}

}  // namespace azulb::net
