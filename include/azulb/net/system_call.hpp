// The system calls of every message and connection, without what the C library wraps around them: in a
// process with threads they are cancellation points there, which costs two locked instructions and a branch
// each, some 2 % of a request. azulb cancels no threads. Results are those of the C library: -1 with errno
// set.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace azulb::net {

inline ssize_t receive_bytes(int descriptor, char* out, std::size_t size_bytes) {
  return syscall(SYS_recvfrom, descriptor, out, size_bytes, 0, nullptr, nullptr);
}

/// Never raises SIGPIPE.
inline ssize_t send_bytes(int descriptor, const void* bytes, std::size_t size_bytes) {
  return syscall(SYS_sendto, descriptor, bytes, size_bytes, MSG_NOSIGNAL, nullptr, 0);
}

/// Never raises SIGPIPE.
inline ssize_t send_message(int descriptor, const msghdr& message) {
  return syscall(SYS_sendmsg, descriptor, &message, MSG_NOSIGNAL);
}

#ifdef __SANITIZE_THREAD__
// ThreadSanitizer has to see where a descriptor begins and ends.
inline int accept_connection(int listening, sockaddr* peer, socklen_t* length) {
  return accept4(listening, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

inline void close_socket(int descriptor) {
  close(descriptor);
}
#else
/// Non-blocking; `length` as for accept4(2).
inline int accept_connection(int listening, sockaddr* peer, socklen_t* length) {
  return static_cast<int>(syscall(SYS_accept4, listening, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

inline void close_socket(int descriptor) {
  syscall(SYS_close, descriptor);
}
#endif

inline int wait_for_events(int epoll, epoll_event* events, int limit, int timeout_ms) {
  return static_cast<int>(syscall(SYS_epoll_pwait, epoll, events, limit, timeout_ms, nullptr, 0));
}

}  // namespace azulb::net
