// bench_backend: the server behind every contender. One thread, one epoll, keep-alive HTTP/1.1:
//
//   bench_backend [--listen 127.0.0.1:0]
//
//   GET /      a body of 100 bytes        GET /64k   64 KiB        GET /1m   1 MiB
//   GET /ws    WebSocket (RFC 6455), every message echoed          anything else: 404
//
// Responses are prepared once and sent with Content-Length. It answers pipelined requests in order and takes
// no request bodies: any method but GET is answered 405 and the connection closed.
#include <errno.h>
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/socket.hpp"
#include "common/websocket.hpp"

namespace azulb::bench {
namespace {

constexpr int kEventsPerWait = 256;
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
constexpr std::size_t kMaxHeadBytes = std::size_t{32} * 1024;

std::string make_response(std::string_view status, std::size_t body_bytes, std::string_view extra_fields) {
  std::string response = "HTTP/1.1 ";
  response.append(status).append("\r\nContent-Type: text/plain\r\nContent-Length: ");
  response.append(std::to_string(body_bytes)).append("\r\n").append(extra_fields).append("\r\n");
  response.append(body_bytes, 'a');
  return response;
}

struct Connection {
  int descriptor = -1;
  bool is_websocket = false;
  bool close_when_sent = false;
  std::string unparsed;       // an incomplete head or frame, or requests behind an unfinished response
  std::string_view response;  // what is left of a prepared response
  std::string frames;         // WebSocket bytes to send, from frames_sent on
  std::size_t frames_sent = 0;

  bool has_output() const { return !response.empty() || frames_sent < frames.size(); }
};

class Backend {
 public:
  explicit Backend(const sockaddr_in& listen)
      : epoll_(epoll_create1(EPOLL_CLOEXEC)), listener_(listen_on(listen)) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) die("epoll");
    announce_port(listener_);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, kEventsPerWait> events{};
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), kEventsPerWait, -1);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          accept_all();
        } else {
          on_event(*static_cast<Connection*>(event.data.ptr), event.events);
        }
      }
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor < 0) return;
      auto* connection = new Connection;  // freed in drop()
      connection->descriptor = descriptor;
      epoll_event event{};
      event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
      event.data.ptr = connection;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) die("epoll_ctl");
    }
  }

  // Each descriptor has at most one event in a turn, so a connection dropped here is not named again in it.
  void on_event(Connection& connection, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && connection.has_output()) {
      if (!send_output(connection)) return drop(connection);
      if (connection.has_output()) return;
      // Reading stopped while output was waiting: pick up what was left, then what the socket has.
      std::string held = std::exchange(connection.unparsed, {});
      if (!consume(connection, held) || !read_all(connection, true)) drop(connection);
      return;
    }
    const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (!read_all(connection, ended)) drop(connection);
  }

  // Reads and answers until the socket is empty or output waits. False: the connection is to be dropped.
  bool read_all(Connection& connection, bool ended) {
    while (!connection.has_output()) {
      const ssize_t received = recv(connection.descriptor, buffer_.data(), buffer_.size(), 0);
      if (received < 0) return errno == EAGAIN;
      if (received == 0) return false;
      const auto size = static_cast<std::size_t>(received);
      bool keep = false;
      if (connection.unparsed.empty()) {
        keep = consume(connection, {buffer_.data(), size});
      } else {
        std::string joined = std::exchange(connection.unparsed, {});
        joined.append(buffer_.data(), size);
        keep = consume(connection, joined);
      }
      if (!keep) return false;
      if (size < buffer_.size() && !ended) return true;
    }
    return true;
  }

  bool consume(Connection& connection, std::string_view bytes) {
    while (!bytes.empty() && !connection.has_output() && !connection.is_websocket) {
      const std::size_t end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) break;
      answer(connection, bytes.substr(0, end + 2));
      bytes.remove_prefix(end + 4);
      if (!send_output(connection)) return false;
    }
    if (connection.is_websocket && !bytes.empty()) return echo(connection, bytes);
    if (!connection.has_output() && bytes.size() > kMaxHeadBytes) return false;
    connection.unparsed.assign(bytes);
    return true;
  }

  void answer(Connection& connection, std::string_view head) {
    if (!head.starts_with("GET ")) {
      connection.close_when_sent = true;
      connection.response = refused_;
      return;
    }
    const std::string_view target = head.substr(4, head.find(' ', 4) - 4);
    if (target == "/") {
      connection.response = small_;
    } else if (target == "/64k") {
      connection.response = medium_;
    } else if (target == "/1m") {
      connection.response = large_;
    } else if (target == "/ws") {
      upgrade(connection, head);
    } else {
      connection.response = not_found_;
    }
  }

  void upgrade(Connection& connection, std::string_view head) {
    const auto key = find_field(head, "Sec-WebSocket-Key");
    if (!key || !find_field(head, "Upgrade")) {
      connection.response = bad_request_;
      return;
    }
    connection.is_websocket = true;
    connection.frames = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    connection.frames.append("Sec-WebSocket-Accept: ").append(accept_for(*key)).append("\r\n\r\n");
  }

  // Echoes whole frames as they come, fragment by fragment; a ping becomes a pong, a close ends the
  // connection.
  bool echo(Connection& connection, std::string_view bytes) {
    Frame frame;
    while (!connection.close_when_sent) {
      const FrameState state = read_frame(bytes, frame);
      if (state == FrameState::kTooLarge || (state == FrameState::kComplete && !frame.masked)) return false;
      if (state == FrameState::kIncomplete) break;
      std::uint8_t first_byte = frame.first_byte;
      if (frame.opcode() == Opcode::kPing) first_byte = 0x80 | static_cast<std::uint8_t>(Opcode::kPong);
      if (frame.opcode() == Opcode::kClose) connection.close_when_sent = true;
      append_frame(connection.frames, first_byte, frame.payload, nullptr);
      apply_mask(connection.frames.data() + connection.frames.size() - frame.payload.size(),
                 frame.payload.size(), frame.mask);
      bytes.remove_prefix(frame.size);
    }
    connection.unparsed.assign(bytes);
    return send_output(connection);
  }

  // Sends what waits. False: the connection is over, by error or because it was to close after this.
  bool send_output(Connection& connection) {
    while (connection.has_output()) {
      const bool prepared = !connection.response.empty();
      const std::string_view bytes =
          prepared ? connection.response : std::string_view{connection.frames}.substr(connection.frames_sent);
      const ssize_t sent = send(connection.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN;
      if (prepared) {
        connection.response.remove_prefix(static_cast<std::size_t>(sent));
      } else {
        connection.frames_sent += static_cast<std::size_t>(sent);
      }
    }
    connection.frames.clear();
    connection.frames_sent = 0;
    return !connection.close_when_sent;
  }

  void drop(Connection& connection) {
    close(connection.descriptor);
    delete &connection;
  }

  int epoll_;
  int listener_;
  const std::string small_ = make_response("200 OK", 100, "");
  const std::string medium_ = make_response("200 OK", std::size_t{64} * 1024, "");
  const std::string large_ = make_response("200 OK", std::size_t{1024} * 1024, "");
  const std::string not_found_ = make_response("404 Not Found", 0, "");
  const std::string bad_request_ = make_response("400 Bad Request", 0, "");
  const std::string refused_ =
      make_response("405 Method Not Allowed", 0, "Allow: GET\r\nConnection: close\r\n");
  std::array<char, kReadBytes> buffer_{};
};

}  // namespace
}  // namespace azulb::bench

int main(int argc, char** argv) {
  using namespace azulb::bench;
  sockaddr_in listen = parse_address("127.0.0.1:0");
  const std::array<option, 2> options{
      {{"listen", required_argument, nullptr, 'l'}, {nullptr, 0, nullptr, 0}}};
  int choice = 0;
  while ((choice = getopt_long(argc, argv, "", options.data(), nullptr)) != -1) {
    if (choice == 'l') listen = parse_address(optarg);
    if (choice == '?') return 2;
  }
  raise_descriptor_limit();
  static Backend backend(listen);
  backend.run();
}
