#include "load/websocket_load.hpp"

#include <errno.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <vector>

#include "common/socket.hpp"
#include "common/websocket.hpp"

namespace azulb::bench {
namespace {

constexpr int kEventsPerWait = 256;
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
constexpr std::size_t kHandshakesAtOnce = 64;
constexpr std::int64_t kWaitNs = 10'000'000'000;  // for handshakes, and for echoes after the end of the run
constexpr std::array<unsigned char, 4> kMask{0x37, 0xFA, 0x21, 0x3D};

enum class Phase : std::uint8_t { kNew, kHandshake, kOpen, kEchoing, kFailed };

struct Socket {
  int descriptor = -1;
  Phase phase = Phase::kNew;
  std::int64_t started_ns = 0;
  std::string received;   // an incomplete head or frame
  std::size_t sent = 0;   // bytes of the output that have gone
  std::string handshake;  // the request, then released
  std::string accept;     // what the server must answer
};

class WebSocketLoad {
 public:
  explicit WebSocketLoad(const Options& options)
      : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)), sockets_(options.connections) {
    if (epoll_ < 0) die("epoll_create1");
    payload_.resize(options.message_bytes);
    for (std::size_t i = 0; i < payload_.size(); ++i)
      payload_[i] = static_cast<char>('a' + i % 26);
    append_frame(message_, 0x80 | static_cast<std::uint8_t>(Opcode::kText), payload_, kMask.data());
  }

  Results echo() {
    open_all();
    const std::int64_t begin = now_ns();
    end_ns_ = begin + static_cast<std::int64_t>(options_.seconds * 1e9);
    for (Socket& socket : sockets_)
      send_message(socket);
    run_until([this] { return echoing_ == 0 && now_ns() >= end_ns_; }, end_ns_ + kWaitNs);
    results_.seconds = static_cast<double>(now_ns() - begin) / 1e9;
    close_all();
    return std::move(results_);
  }

  Results idle() {
    open_all();
    const std::int64_t begin = now_ns();
    fmt::print("{{\"open\":{}}}\n", open_);
    std::fflush(stdout);
    wait_for_end_of_input();
    results_.seconds = static_cast<double>(now_ns() - begin) / 1e9;
    end_ns_ = 0;  // one message each
    for (Socket& socket : sockets_)
      send_message(socket);
    run_until([this] { return echoing_ == 0; }, now_ns() + kWaitNs);
    close_all();
    return std::move(results_);
  }

 private:
  void open_all() {
    open_some();
    run_until([this] { return handshaking_ == 0 && next_ == sockets_.size(); }, now_ns() + kWaitNs);
    for (Socket& socket : sockets_) {
      if (socket.phase == Phase::kHandshake || socket.phase == Phase::kNew)
        fail(socket, "no answer to the upgrade");
    }
  }

  void open_some() {
    for (; next_ < sockets_.size() && handshaking_ < kHandshakesAtOnce; ++next_) {
      Socket& socket = sockets_[next_];
      socket.descriptor = connect_to(options_.address, 0);
      if (socket.descriptor < 0) {
        fail(socket, "cannot connect");
        continue;
      }
      const std::string key = make_key();
      socket.accept = accept_for(key);
      socket.handshake = "GET " + options_.path +
                         " HTTP/1.1\r\nHost: bench.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
                         key + "\r\n\r\n";
      socket.phase = Phase::kHandshake;
      ++handshaking_;
      epoll_event event{};
      event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
      event.data.ptr = &socket;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.descriptor, &event) != 0) die("epoll_ctl");
    }
  }

  template <typename Done>
  void run_until(Done done, std::int64_t deadline_ns) {
    std::array<epoll_event, kEventsPerWait> events{};
    while (!done()) {
      const std::int64_t left_ns = deadline_ns - now_ns();
      if (left_ns <= 0) break;
      const int count =
          epoll_wait(epoll_, events.data(), kEventsPerWait, static_cast<int>(left_ns / 1'000'000) + 1);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        on_event(*static_cast<Socket*>(event.data.ptr), event.events);
      }
    }
  }

  // Blocks on standard input; the sockets are idle meanwhile, and what happens to them is seen afterwards.
  static void wait_for_end_of_input() {
    std::array<char, 256> ignored{};
    while (read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
    }
  }

  void on_event(Socket& socket, std::uint32_t events) {
    if (socket.descriptor < 0) return;
    if ((events & EPOLLOUT) != 0) send_output(socket);
    if (socket.descriptor < 0) return;
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
    const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    for (;;) {
      const ssize_t received = recv(socket.descriptor, buffer_.data(), buffer_.size(), 0);
      if (received < 0 && errno == EAGAIN) return;
      if (received <= 0) return fail(socket, "closed by the peer");
      if (!take(socket, {buffer_.data(), static_cast<std::size_t>(received)})) return;
      if (received < static_cast<ssize_t>(buffer_.size()) && !ended) return;
    }
  }

  void send_output(Socket& socket) {
    const std::string& output = socket.phase == Phase::kHandshake ? socket.handshake : message_;
    if (socket.phase != Phase::kHandshake && socket.phase != Phase::kEchoing) return;
    while (socket.sent < output.size()) {
      const ssize_t sent =
          send(socket.descriptor, output.data() + socket.sent, output.size() - socket.sent, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return;
      if (sent < 0) return fail(socket, "cannot send");
      socket.sent += static_cast<std::size_t>(sent);
    }
  }

  void send_message(Socket& socket) {
    if (socket.phase != Phase::kOpen) return;
    socket.phase = Phase::kEchoing;
    socket.started_ns = now_ns();
    socket.sent = 0;
    ++echoing_;
    send_output(socket);
  }

  // False: the socket has failed.
  bool take(Socket& socket, std::string_view bytes) {
    if (!socket.received.empty()) bytes = socket.received.append(bytes);
    std::size_t used = 0;
    if (socket.phase == Phase::kHandshake) {
      const std::size_t end = bytes.find("\r\n\r\n");
      if (end != std::string_view::npos) {
        if (!opened(socket, bytes.substr(0, end + 2))) return false;
        used = end + 4;
      }
    } else {
      Frame frame;
      const FrameState state = read_frame(bytes, frame);
      const bool expected = state != FrameState::kTooLarge && socket.phase == Phase::kEchoing;
      const bool complete = state == FrameState::kComplete;
      if (!expected ||
          (complete && (frame.masked || frame.opcode() != Opcode::kText || frame.payload != payload_))) {
        fail(socket, "not the echo");
        return false;
      }
      if (complete) {
        used = frame.size;
        echoed(socket);
        if (socket.descriptor < 0) return false;
      }
    }
    if (used == 0) {
      if (socket.received.empty()) socket.received = bytes;
    } else if (used == bytes.size()) {
      socket.received.clear();
    } else {
      fail(socket, "bytes that no one asked for");
      return false;
    }
    return true;
  }

  bool opened(Socket& socket, std::string_view head) {
    const auto accept = find_field(head, "Sec-WebSocket-Accept");
    if (!head.starts_with("HTTP/1.1 101 ") || !accept || *accept != socket.accept) {
      fail(socket, "upgrade refused");
      return false;
    }
    socket.phase = Phase::kOpen;
    socket.handshake = {};
    socket.accept = {};
    ++open_;
    --handshaking_;
    open_some();
    return true;
  }

  void echoed(Socket& socket) {
    const std::int64_t now = now_ns();
    ++results_.requests;
    results_.bytes += payload_.size();
    results_.latency.add(now - socket.started_ns);
    socket.phase = Phase::kOpen;
    --echoing_;
    if (now < end_ns_) send_message(socket);
  }

  void fail(Socket& socket, std::string_view why) {
    results_.fail(why);
    if (socket.phase == Phase::kHandshake) --handshaking_;
    if (socket.phase == Phase::kEchoing) --echoing_;
    if (socket.phase == Phase::kOpen || socket.phase == Phase::kEchoing) --open_;
    socket.phase = Phase::kFailed;
    if (socket.descriptor >= 0) close(socket.descriptor);
    socket.descriptor = -1;
  }

  // Says goodbye properly (RFC 6455 section 7.1.1: the server closes first), so that no half-dead tunnel is
  // left.
  void close_all() {
    std::string goodbye;
    append_frame(goodbye, 0x80 | static_cast<std::uint8_t>(Opcode::kClose), "\x03\xE8", kMask.data());
    for (Socket& socket : sockets_) {
      if (socket.phase == Phase::kEchoing) fail(socket, "no echo in time");
      if (socket.phase != Phase::kOpen) continue;
      if (send(socket.descriptor, goodbye.data(), goodbye.size(), MSG_NOSIGNAL) < 0)
        fail(socket, "cannot send");
    }
    const std::int64_t deadline_ns = now_ns() + kWaitNs;
    for (Socket& socket : sockets_) {
      if (socket.descriptor < 0) continue;
      wait_for_close(socket.descriptor, deadline_ns);
      close(socket.descriptor);
      socket.descriptor = -1;
    }
  }

  // Reads to the end of file, at most until the deadline.
  static void wait_for_close(int descriptor, std::int64_t deadline_ns) {
    std::array<char, 256> ignored{};
    for (;;) {
      const ssize_t received = recv(descriptor, ignored.data(), ignored.size(), 0);
      if (received == 0 || (received < 0 && errno != EAGAIN)) return;
      if (received > 0) continue;
      const std::int64_t left_ms = (deadline_ns - now_ns()) / 1'000'000;
      pollfd wanted{descriptor, POLLIN, 0};
      if (left_ms <= 0 || poll(&wanted, 1, static_cast<int>(left_ms)) <= 0) return;
    }
  }

  const Options& options_;
  int epoll_;
  std::vector<Socket> sockets_;
  std::size_t next_ = 0;
  std::size_t handshaking_ = 0;
  std::size_t open_ = 0;
  std::size_t echoing_ = 0;
  std::int64_t end_ns_ = 0;
  std::string payload_;
  std::string message_;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  Results results_;
};

}  // namespace

Results run_websocket_echo(const Options& options) {
  return WebSocketLoad(options).echo();
}

Results run_websocket_idle(const Options& options) {
  return WebSocketLoad(options).idle();
}

}  // namespace azulb::bench
