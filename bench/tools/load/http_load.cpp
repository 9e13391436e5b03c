#include "load/http_load.hpp"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/socket.hpp"
#include "load/response.hpp"

namespace azulb::bench {
namespace {

constexpr int kEventsPerWait = 256;
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
constexpr std::int64_t kAnswerWaitNs = 5'000'000'000;  // after the end of the run, for what is under way
constexpr unsigned kSourceAddresses = 16;

struct Connection {
  int descriptor = -1;
  bool unsent = false;  // the request waits for the connect to complete
  bool busy = false;    // a request is under way
  bool fresh = false;   // no response yet on this connection
  std::int64_t started_ns = 0;
  Response response;
};

class HttpLoad {
 public:
  explicit HttpLoad(const Options& options)
      : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)), connections_(options.connections) {
    if (epoll_ < 0) die("epoll_create1");
    request_ = "GET " + options.path +
               " HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench_load\r\nAccept: */*\r\n\r\n";
    per_request_ = options.mode == "connection";
    open_loop_ = options.mode == "rate";
  }

  Results run() {
    begin_ns_ = now_ns();
    end_ns_ = begin_ns_ + static_cast<std::int64_t>(options_.seconds * 1e9);
    next_due_ns_ = begin_ns_;
    if (open_loop_) {
      // The kernel may otherwise let a timeout pass by up to 50 µs.
      prctl(PR_SET_TIMERSLACK, 1);
      interval_ns_ = static_cast<std::int64_t>(1e9 / options_.rate);
      for (Connection& connection : connections_) {
        open(connection);
        free_.push_back(&connection);
      }
    } else {
      for (Connection& connection : connections_)
        start(connection, now_ns());
    }
    loop();
    for (Connection& connection : connections_) {
      if (connection.busy) results_.fail("no answer in time");
      if (connection.descriptor >= 0) close(connection.descriptor);
    }
    for (; !due_.empty(); due_.pop_front())
      results_.fail("never sent");
    results_.seconds = static_cast<double>(now_ns() - begin_ns_) / 1e9;
    return std::move(results_);
  }

 private:
  void loop() {
    std::vector<epoll_event> events(kEventsPerWait);
    for (;;) {
      const std::int64_t now = now_ns();
      const bool issuing = now < end_ns_;
      if (open_loop_) issue_due(now);
      if (!issuing && ((busy_ == 0 && due_.empty()) || now > end_ns_ + kAnswerWaitNs)) return;
      std::int64_t until = issuing ? end_ns_ : end_ns_ + kAnswerWaitNs + 1;
      if (open_loop_ && issuing && next_due_ns_ < until) until = next_due_ns_;
      const bool can_send = !due_.empty() && !free_.empty();
      const std::int64_t wait_ns = until > now && !can_send ? until - now : 0;
      const timespec timeout{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
      const int count = epoll_pwait2(epoll_, events.data(), kEventsPerWait, &timeout, nullptr);
      if (count < 0 && errno != EINTR) die("epoll_pwait2");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        on_event(*static_cast<Connection*>(event.data.ptr), event.events);
      }
    }
  }

  void issue_due(std::int64_t now) {
    for (; next_due_ns_ <= now && next_due_ns_ < end_ns_; next_due_ns_ += interval_ns_)
      due_.push_back(next_due_ns_);
    while (!due_.empty() && !free_.empty()) {
      Connection& connection = *free_.front();
      free_.pop_front();
      const std::int64_t due_ns = due_.front();
      due_.pop_front();
      start(connection, due_ns);
    }
  }

  void open(Connection& connection) {
    in_addr_t source = 0;
    if (per_request_ && (ntohl(options_.address.sin_addr.s_addr) >> 24) == 127) {
      source = htonl(0x7F000101 + turn_++ % kSourceAddresses);
    }
    connection.descriptor = connect_to(options_.address, source);
    if (connection.descriptor < 0) return;
    connection.fresh = true;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &connection;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor, &event) != 0) die("epoll_ctl");
  }

  void shut(Connection& connection) {
    close(connection.descriptor);
    connection.descriptor = -1;
  }

  void start(Connection& connection, std::int64_t started_ns) {
    connection.started_ns = started_ns;
    connection.response = {};
    connection.busy = true;
    ++busy_;
    if (connection.descriptor < 0) open(connection);
    if (connection.descriptor < 0) return finish(connection, "cannot connect");
    send_request(connection);
  }

  void send_request(Connection& connection) {
    const ssize_t sent = send(connection.descriptor, request_.data(), request_.size(), MSG_NOSIGNAL);
    connection.unsent = sent < 0 && errno == EAGAIN;  // the connect has not completed
    if (connection.unsent || sent == static_cast<ssize_t>(request_.size())) return;
    lost(connection);
  }

  // The peer closed or reset. Before any byte of the answer on a connection used before, that is a keep-alive
  // race which HTTP allows: the request is sent again on a new connection and the race counted.
  void lost(Connection& connection) {
    const bool race = !connection.fresh && connection.response.untouched();
    shut(connection);
    if (!connection.busy) {
      ++results_.reconnects;
    } else if (race) {
      ++results_.reconnects;
      --busy_;
      start(connection, connection.started_ns);
    } else {
      finish(connection, "closed before the end of the response");
    }
  }

  void on_event(Connection& connection, std::uint32_t events) {
    if (connection.descriptor < 0) return;
    const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (!connection.busy) {
      if (ended) lost(connection);
      return;
    }
    if (connection.unsent) {
      if (ended) {
        shut(connection);
        return finish(connection, "cannot connect");
      }
      if ((events & EPOLLOUT) != 0) send_request(connection);
      return;
    }
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive(connection, ended);
  }

  void receive(Connection& connection, bool ended) {
    for (;;) {
      std::int64_t& body_left = connection.response.body_left;
      if (body_left >= 0) {
        // The body is counted, not looked at: MSG_TRUNC spares the copy, so that the load stays cheap.
        const ssize_t received =
            recv(connection.descriptor, nullptr, static_cast<std::size_t>(body_left), MSG_TRUNC);
        if (received < 0 && errno == EAGAIN) return;
        if (received <= 0) return lost(connection);
        body_left -= received;
        results_.bytes += static_cast<std::uint64_t>(received);
        if (body_left == 0) return finish(connection, {});
        continue;
      }
      const ssize_t received = recv(connection.descriptor, buffer_.data(), buffer_.size(), 0);
      if (received < 0 && errno == EAGAIN) return;
      if (received <= 0) return lost(connection);
      if (!take(connection, {buffer_.data(), static_cast<std::size_t>(received)})) return;
      if (body_left < 0 && received < static_cast<ssize_t>(buffer_.size()) && !ended) return;
    }
  }

  // False: the request is over.
  bool take(Connection& connection, std::string_view bytes) {
    const std::string_view problem = connection.response.take(bytes, options_.expect_bytes, results_.bytes);
    if (problem.empty() && !connection.response.complete()) return true;
    if (!problem.empty()) shut(connection);
    finish(connection, problem);
    return false;
  }

  // An empty `problem` is success. Starts what comes next on this connection.
  void finish(Connection& connection, std::string_view problem) {
    connection.busy = false;
    connection.unsent = false;
    --busy_;
    const std::int64_t now = now_ns();
    if (problem.empty()) {
      ++results_.requests;
      results_.latency.add(now - connection.started_ns);
      connection.fresh = false;
    } else {
      results_.fail(problem);
    }
    if (connection.descriptor >= 0 && (per_request_ || connection.response.close_after)) {
      if (!per_request_) ++results_.reconnects;
      shut(connection);
    }
    if (open_loop_) {
      free_.push_back(&connection);
      if (problem.empty())
        issue_due(now);  // after a failure the loop does, or a dead peer would have us recurse
    } else if (now < end_ns_ && results_.errors < kMaxErrors) {
      start(connection, now);
    }
  }

  static constexpr std::uint64_t kMaxErrors = 1000;  // a broken contender must not make us spin

  const Options& options_;
  int epoll_;
  bool per_request_ = false;
  bool open_loop_ = false;
  std::string request_;
  std::vector<Connection> connections_;
  std::deque<Connection*> free_;
  std::deque<std::int64_t> due_;  // due times not yet sent; bounded by rate times seconds
  std::int64_t begin_ns_ = 0;
  std::int64_t end_ns_ = 0;
  std::int64_t next_due_ns_ = 0;
  std::int64_t interval_ns_ = 0;
  std::size_t busy_ = 0;
  unsigned turn_ = 0;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  Results results_;
};

}  // namespace

Results run_http(const Options& options) {
  return HttpLoad(options).run();
}

}  // namespace azulb::bench
