#include "azulb/net/listening_socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/net/system_call.hpp"

namespace azulb::net {
namespace {

// Accepted in one turn of the loop, so that a flood of connections does not hold up those that are there.
constexpr int accepts_per_turn = 64;

constexpr std::chrono::milliseconds resume_retry_interval{100};

// Turns' shares that hold any backlog the kernel allows by itself (net.core.somaxconn).
constexpr int backlog_shares = 4096 / accepts_per_turn + 1;

std::string remedy(int system_error, const base::SocketAddress& address) {
  switch (system_error) {
    case EADDRINUSE:
      return "another process listens there: stop it (`ss -ltnp` shows which), or choose another address";
    case EACCES:
      return address.is_unix() ? "the directory is not writable for this user"
                               : "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
      return "no interface of this machine has that address (`ip address` shows them)";
    case ENOENT:
      return "the directory does not exist: create it";
    default:
      return {};
  }
}

tl::unexpected<base::Error> bind_failure(const base::SocketAddress& address, int system_error) {
  std::string message = "cannot listen on " + address.text() + ": " + std::strerror(system_error);
  if (const std::string hint = remedy(system_error, address); !hint.empty()) message += " (" + hint + ")";
  return base::failure(std::move(message), system_error);
}

const char* unix_path(const base::SocketAddress& address) {
  return reinterpret_cast<const sockaddr_un*>(address.get())->sun_path;
}

// A socket file that a dead process left behind refuses connections; a living one's is not touched.
void remove_stale_socket(const base::SocketAddress& address) {
  struct stat status {};
  if (lstat(unix_path(address), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  if (connect(probe, address.get(), address.length()) != 0 && errno == ECONNREFUSED)
    unlink(unix_path(address));
  close(probe);
}

/// A socket bound to the address, with no failure left but the kernel's: the descriptor, or -1 with errno.
int open_bound(const base::SocketAddress& address, bool shared) {
  const int descriptor = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  const int on = 1;
  if (!address.is_unix()) {
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared) setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // Accepted sockets inherit it: one call here saves one per connection.
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (address.family() == AF_INET6) setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(descriptor, address.get(), address.length()) == 0) return descriptor;
  const int system_error = errno;
  close(descriptor);
  errno = system_error;
  return -1;
}

}  // namespace

base::SocketAddress local_address(int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return {reinterpret_cast<const sockaddr*>(&address), length};
}

base::Result<BoundSocket> BoundSocket::bind(const base::SocketAddress& address, int backlog, bool shared) {
  if (address.is_unix()) remove_stale_socket(address);
  const int descriptor = open_bound(address, shared);
  if (descriptor < 0) return bind_failure(address, errno);
  if (listen(descriptor, backlog) != 0) {
    const int system_error = errno;
    close(descriptor);
    return bind_failure(address, system_error);
  }
  return BoundSocket(descriptor, address.is_unix() ? address : local_address(descriptor));
}

base::Result<BoundSocket> BoundSocket::join(const base::SocketAddress& address) {
  const int descriptor = open_bound(address, true);
  if (descriptor < 0) return bind_failure(address, errno);
  return BoundSocket(descriptor, address);
}

base::Result<BoundSocket> BoundSocket::adopt(int descriptor, Holder holder) {
  const auto option = [descriptor](int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
  };
  const int family = option(SO_DOMAIN);
  const bool is_known = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
  if (!is_known || option(SO_TYPE) != SOCK_STREAM || option(SO_ACCEPTCONN) != 1) {
    return base::failure("descriptor " + std::to_string(descriptor) +
                         " is no stream socket of TCP or a path that listens");
  }
  // The non-blocking flag is shared with who else holds the socket, who only polls it.
  const int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) {
    return base::system_failure("descriptor " + std::to_string(descriptor), errno);
  }
  const int on = 1;
  if (family != AF_UNIX) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  BoundSocket socket(descriptor, local_address(descriptor));
  socket.owned_ = false;
  socket.managed_ = holder == Holder::manager;
  socket.alone_ = socket.managed_ || family == AF_UNIX || option(SO_REUSEPORT) != 1;
  return socket;
}

BoundSocket::BoundSocket(BoundSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      address_(other.address_),
      alone_(other.alone_),
      owned_(other.owned_),
      managed_(other.managed_) {}

base::Result<void> BoundSocket::give_to(uid_t user, gid_t group) const {
  if (!owned_) return {};
  if (fchown(descriptor_, user, group) != 0 ||
      (address_.is_unix() && lchown(unix_path(address_), user, group) != 0)) {
    return base::system_failure("cannot give the socket " + address_.text() + " to another user", errno);
  }
  return {};
}

BoundSocket::~BoundSocket() {
  if (descriptor_ < 0) return;
  if (address_.is_unix() && owned_) unlink(unix_path(address_));
  close(descriptor_);
}

void BoundSocket::set_backlog(int backlog) const {
  listen(descriptor_, backlog);  // of a socket that listens already it changes nothing else
}

ListeningSocket::~ListeningSocket() {
  pause();
  if (owns_descriptor_) close(descriptor_);
}

void ListeningSocket::pause() {
  resume_retry_.stop();
  if (!watched_) return;
  watched_ = false;
  loop_.unwatch(descriptor_);
}

void ListeningSocket::resume() {
  if (watched_ || ended_) return;
  watched_ = loop_.watch_level(descriptor_, *this, shared_);
  if (!watched_)
    loop_.timers().list(resume_retry_interval).start(resume_retry_);  // the kernel is out of memory
}

void ListeningSocket::end() {
  pause();
  // Whoever would join the backlog until all have closed it would be reset: better refused now, or sent to a
  // worker that still accepts. A shared one is for others to end.
  if (!ended_ && !shared_) shutdown(descriptor_, SHUT_RD);
  ended_ = true;
}

void ListeningSocket::accept_pending() {
  // Not for ever: connections may come in as fast as they are accepted.
  for (int share = 0; share < backlog_shares && accept_some(); ++share) {
  }
}

bool ListeningSocket::accept_some() {
  for (int count = 0; count < accepts_per_turn; ++count) {
    if (!watched_ || !handler_->may_accept()) return false;
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    const int descriptor = accept_connection(descriptor_, reinterpret_cast<sockaddr*>(&peer), &length);
    if (descriptor >= 0) {
      handler_->on_accepted(address_, descriptor,
                            base::SocketAddress(reinterpret_cast<const sockaddr*>(&peer), length));
    } else if (errno != EINTR && errno != ECONNABORTED) {
      // EAGAIN: all taken. Out of descriptors or memory: the backlog keeps them until something is closed.
      if (errno != EAGAIN && errno != EWOULDBLOCK) handler_->on_accept_failure(errno);
      return false;
    }
  }
  return true;
}

}  // namespace azulb::net
