// bench_relay: the floor that azulb is measured against. One thread, one epoll, recv then send, nothing
// parsed:
//
//   bench_relay --to 127.0.0.1:PORT [--listen 127.0.0.1:0] [--own-upstream] [--buffer-kib 80]
//
// Each client connection is tied to one upstream connection. Upstream connections are reused across client
// connections, as the proxies' keep-alive pools do, so that a connection per request costs the relay only
// what the client's side costs. Descriptors are registered once, edge-triggered, for reading and writing: no
// epoll_ctl after that. A short read means the socket is empty, so a message costs one recv and one send.
//
// Parsing nothing, the relay cannot know whether a response is complete. An upstream connection goes back to
// the pool when its client leaves after the server spoke last; bytes that arrive on a pooled connection close
// it. With
// --own-upstream (WebSockets, where a connection never returns to HTTP) it is closed with its client instead.
#include <errno.h>
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "common/socket.hpp"

namespace azulb::bench {
namespace {

constexpr std::size_t kDefaultBufferKib = 80;  // a 64 KiB body fits with its head
constexpr int kEventsPerWait = 256;

// One connection. Two sides that are tied point at each other; a pooled upstream side has no peer.
struct Side {
  int descriptor = -1;
  bool is_upstream = false;
  bool awaits_answer = false;       // upstream only: the client spoke last
  bool unread = false;              // reading stopped because the peer did not take the bytes
  bool ended = false;               // an end of file or error waits behind the bytes
  bool queued = false;              // in more_
  bool close_when_flushed = false;  // the peer has ended; pending bytes are still to go out
  Side* peer = nullptr;
  std::unique_ptr<char[]> pending;  // bytes this side's kernel buffer did not take: [begin, end)
  std::size_t begin = 0;
  std::size_t end = 0;
};

class Relay {
 public:
  Relay(const sockaddr_in& listen, const sockaddr_in& to, bool own_upstream, std::size_t buffer_bytes)
      : epoll_(epoll_create1(EPOLL_CLOEXEC)),
        listener_(listen_on(listen)),
        to_(to),
        own_upstream_(own_upstream),
        buffer_(buffer_bytes) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) die("epoll");
    announce_port(listener_);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, kEventsPerWait> events{};
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), kEventsPerWait, more_.empty() ? -1 : 0);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          accept_one();
        } else {
          on_event(*static_cast<Side*>(event.data.ptr), event.events);
        }
      }
      pump_queued();
      free_retired();
    }
  }

 private:
  // Level-triggered, one per turn: a loop until EAGAIN would cost a call for nothing.
  void accept_one() {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return;
    Side* upstream = take_upstream();
    if (upstream == nullptr) {
      close(descriptor);
      return;
    }
    Side* client = add(descriptor, false);
    client->peer = upstream;
    upstream->peer = client;
    upstream->awaits_answer = false;
  }

  Side* take_upstream() {
    if (!pool_.empty()) {
      Side* upstream = pool_.back();
      pool_.pop_back();
      return upstream;
    }
    const int descriptor = connect_to(to_, 0);
    return descriptor < 0 ? nullptr : add(descriptor, true);
  }

  Side* add(int descriptor, bool is_upstream) {
    Side* side = new Side;  // owned by the relay until retire()
    side->descriptor = descriptor;
    side->is_upstream = is_upstream;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = side;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) die("epoll_ctl");
    return side;
  }

  void on_event(Side& side, std::uint32_t events) {
    if (side.descriptor < 0) return;
    if ((events & EPOLLOUT) != 0 && side.end != 0) {
      if (!flush(side)) return;
    }
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
    if (side.peer == nullptr) {
      if (side.is_upstream) drop_pooled(side);
      return;  // a client that only waits for its last bytes to go out
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side.ended = true;
    pump(side);
  }

  // Moves one buffer from `from` to its peer. One, so that the connections take turns: emptying one socket
  // after the other would let long bodies pile up in the kernel and fall out of the caches.
  void pump(Side& from) {
    Side& to = *from.peer;
    if (to.end != 0) {
      from.unread = true;
      return;
    }
    const ssize_t received = recv(from.descriptor, buffer_.data(), buffer_.size(), 0);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) return finish(from);
    from.awaits_answer = false;
    to.awaits_answer = true;
    const auto size = static_cast<std::size_t>(received);
    if (!send_or_keep(to, size)) return;
    if (size == buffer_.size() || from.ended) enqueue(from);  // a short read has emptied the socket
  }

  void enqueue(Side& side) {
    if (side.queued) return;
    side.queued = true;
    more_.push_back(&side);
  }

  // One more buffer from each side that may hold more than it gave.
  void pump_queued() {
    std::vector<Side*> sides;
    sides.swap(more_);
    for (Side* side : sides) {
      side->queued = false;
      if (side->descriptor >= 0 && side->peer != nullptr) pump(*side);
    }
  }

  // Frees what was closed in this turn; only now, as an event of the same turn may still have named it.
  void free_retired() {
    if (retired_.empty()) return;
    std::erase_if(more_, [](const Side* side) { return side->descriptor < 0; });
    retired_.clear();
  }

  // Sends the first `size` bytes of the buffer; what is not taken waits in to.pending. False: both are
  // closed.
  bool send_or_keep(Side& to, std::size_t size) {
    ssize_t sent = send(to.descriptor, buffer_.data(), size, MSG_NOSIGNAL);
    if (sent < 0) {
      // ENOTCONN does not occur: a connect under way is EAGAIN to send.
      if (errno != EAGAIN) {
        close_both(to);
        return false;
      }
      sent = 0;
    }
    const auto taken = static_cast<std::size_t>(sent);
    if (taken == size) return true;
    if (!to.pending) to.pending = std::make_unique_for_overwrite<char[]>(buffer_.size());
    std::memcpy(to.pending.get(), buffer_.data() + taken, size - taken);
    to.begin = 0;
    to.end = size - taken;
    return true;
  }

  // Sends pending bytes and resumes the peer's reading once all are gone. False: `side` has been closed.
  bool flush(Side& side) {
    const ssize_t sent =
        send(side.descriptor, side.pending.get() + side.begin, side.end - side.begin, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return true;
      close_both(side);
      return false;
    }
    side.begin += static_cast<std::size_t>(sent);
    if (side.begin < side.end) return true;
    side.begin = side.end = 0;
    if (side.close_when_flushed) {
      retire(side);
      return false;
    }
    if (side.peer != nullptr && side.peer->unread) {
      side.peer->unread = false;
      enqueue(*side.peer);
    }
    return side.descriptor >= 0;
  }

  // `from` has ended.
  void finish(Side& from) {
    Side& other = *from.peer;
    const bool reusable =
        other.is_upstream && !own_upstream_ && other.end == 0 && !other.awaits_answer && !other.ended;
    from.peer = nullptr;
    other.peer = nullptr;
    retire(from);
    if (reusable) {
      pool_.push_back(&other);
    } else if (!other.is_upstream && other.end != 0) {
      other.close_when_flushed = true;
    } else {
      retire(other);
    }
  }

  void close_both(Side& side) {
    if (side.peer != nullptr) retire(*side.peer);
    retire(side);
  }

  // A pooled connection that ends or speaks unasked is of no use.
  void drop_pooled(Side& side) {
    std::erase(pool_, &side);
    retire(side);
  }

  void retire(Side& side) {
    close(side.descriptor);
    side.descriptor = -1;
    retired_.emplace_back(&side);
  }

  int epoll_;
  int listener_;
  sockaddr_in to_;
  bool own_upstream_;
  std::vector<Side*> pool_;  // last in, first out
  std::vector<Side*> more_;  // sides to read from again before waiting
  std::vector<std::unique_ptr<Side>> retired_;
  std::vector<char> buffer_;
};

}  // namespace
}  // namespace azulb::bench

int main(int argc, char** argv) {
  using namespace azulb::bench;
  sockaddr_in listen = parse_address("127.0.0.1:0");
  sockaddr_in to{};
  int own_upstream = 0;
  std::size_t buffer_kib = kDefaultBufferKib;
  const std::array<option, 5> options{{{"listen", required_argument, nullptr, 'l'},
                                       {"to", required_argument, nullptr, 't'},
                                       {"own-upstream", no_argument, &own_upstream, 1},
                                       {"buffer-kib", required_argument, nullptr, 'b'},
                                       {nullptr, 0, nullptr, 0}}};
  int choice = 0;
  while ((choice = getopt_long(argc, argv, "", options.data(), nullptr)) != -1) {
    if (choice == 'l') listen = parse_address(optarg);
    if (choice == 't') to = parse_address(optarg);
    if (choice == 'b') buffer_kib = std::strtoul(optarg, nullptr, 10);
    if (choice == '?' || buffer_kib == 0) return 2;
  }
  if (to.sin_port == 0) {
    errno = EINVAL;
    die("--to is required");
  }
  raise_descriptor_limit();
  Relay relay(listen, to, own_upstream != 0, buffer_kib * 1024);
  relay.run();
}
