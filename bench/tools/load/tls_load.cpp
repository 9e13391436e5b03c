#include "load/tls_load.hpp"

#include <errno.h>
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cstdio>
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
constexpr std::size_t kOpeningAtOnce = 64;  // mode idle
constexpr std::int64_t kWaitNs = 10'000'000'000;
constexpr unsigned kSourceAddresses = 16;
constexpr std::uint64_t kMaxErrors = 1000;  // a broken contender must not make us spin
constexpr std::array<unsigned char, 9> kProtocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

struct Connection {
  int descriptor = -1;
  SSL* tls = nullptr;
  bool sent = false;        // the request has gone, and so has the handshake
  bool busy = false;        // a request is under way
  bool fresh = false;       // no response yet on this connection
  bool has_ticket = false;  // the handshake began with `session`
  /// With `resume`: what the latest handshake in this place brought; owned. Each place has its own, as
  /// OpenSSL uses a TLS 1.3 session for one connection only.
  SSL_SESSION* session = nullptr;
  std::int64_t started_ns = 0;
  Response response;
};

class TlsLoad {
 public:
  explicit TlsLoad(const Options& options)
      : options_(options),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        context_(SSL_CTX_new(TLS_client_method())),
        connections_(options.connections) {
    if (epoll_ < 0) die("epoll_create1");
    signal(SIGPIPE, SIG_IGN);
    request_ = "GET " + options.path +
               " HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench_load\r\nAccept: */*\r\n\r\n";
    per_request_ = options.mode == "connection";
    if (context_ == nullptr || SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context_, "X25519:P-256") != 1 ||
        SSL_CTX_set_alpn_protos(context_, kProtocols.data(), kProtocols.size()) != 0) {
      die("OpenSSL");
    }
    // The client is not what is measured: it looks at no chain, and reads as much as there is.
    SSL_CTX_set_cert_verify_callback(
        context_, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    SSL_CTX_set_read_ahead(context_, 1);
    SSL_CTX_set_default_read_buffer_len(context_, kReadBytes);
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (options.resume) SSL_CTX_sess_set_new_cb(context_, keep_session);
  }

  Results closed() {
    begin_ns_ = now_ns();
    end_ns_ = begin_ns_ + static_cast<std::int64_t>(options_.seconds * 1e9);
    while (next_ < connections_.size())
      start(connections_[next_++]);
    run_until([this] { return busy_ == 0 && now_ns() >= end_ns_; }, end_ns_ + kWaitNs);
    close_all();
    results_.seconds = static_cast<double>(now_ns() - begin_ns_) / 1e9;
    return std::move(results_);
  }

  Results idle() {
    begin_ns_ = now_ns();
    ask_each_once();
    std::size_t open = 0;
    for (const Connection& connection : connections_)
      open += connection.tls != nullptr ? 1 : 0;
    fmt::print("{{\"open\":{}}}\n", open);
    std::fflush(stdout);
    std::array<char, 256> ignored{};
    while (read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
    }
    ask_each_once();
    close_all();
    results_.seconds = static_cast<double>(now_ns() - begin_ns_) / 1e9;
    return std::move(results_);
  }

 private:
  static int keep_session(SSL* tls, SSL_SESSION* session) {
    auto* const connection = static_cast<Connection*>(SSL_get_app_data(tls));
    SSL_SESSION_free(std::exchange(connection->session, session));
    return 1;  // it is ours now
  }

  void ask_each_once() {
    next_ = 0;
    while (next_ < connections_.size() && busy_ < kOpeningAtOnce)
      start(connections_[next_++]);
    run_until([this] { return busy_ == 0 && next_ == connections_.size(); }, now_ns() + kWaitNs);
  }

  template <typename Done>
  void run_until(Done done, std::int64_t deadline_ns) {
    std::array<epoll_event, kEventsPerWait> events{};
    while (!done()) {
      const std::int64_t now = now_ns();
      if (now >= deadline_ns) break;
      const std::int64_t until = now < end_ns_ ? end_ns_ : deadline_ns;
      const std::int64_t wait_ms = (until - now) / 1'000'000 + 1;
      const int count = epoll_wait(epoll_, events.data(), kEventsPerWait, static_cast<int>(wait_ms));
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        on_event(*static_cast<Connection*>(event.data.ptr), event.events);
      }
    }
  }

  bool open(Connection& connection) {
    in_addr_t source = 0;
    if (per_request_ && (ntohl(options_.address.sin_addr.s_addr) >> 24) == 127) {
      source = htonl(0x7F000101 + turn_++ % kSourceAddresses);
    }
    connection.descriptor = connect_to(options_.address, source);
    if (connection.descriptor < 0) return false;
    connection.fresh = true;
    connection.tls = SSL_new(context_);
    if (connection.tls == nullptr || SSL_set_fd(connection.tls, connection.descriptor) != 1) die("OpenSSL");
    SSL_set_connect_state(connection.tls);
    SSL_set_tlsext_host_name(connection.tls, "bench.example");
    SSL_set_app_data(connection.tls, &connection);
    connection.has_ticket = connection.session != nullptr;
    if (connection.has_ticket) SSL_set_session(connection.tls, connection.session);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &connection;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor, &event) != 0) die("epoll_ctl");
    return true;
  }

  void shut(Connection& connection) {
    if (connection.tls == nullptr) return;
    if (connection.sent) SSL_shutdown(connection.tls);
    SSL_free(connection.tls);
    ERR_clear_error();
    connection.tls = nullptr;
    close(connection.descriptor);
    connection.descriptor = -1;
  }

  void start(Connection& connection) {
    connection.started_ns = now_ns();
    connection.response = {};
    connection.busy = true;
    connection.sent = false;
    ++busy_;
    if (connection.tls == nullptr) {
      if (!open(connection)) finish(connection, "cannot connect");
      return;  // goes on when the connect has completed
    }
    send_request(connection);
  }

  // The handshake too, if there has been none. False: not done, or over.
  bool send_request(Connection& connection) {
    std::size_t count = 0;
    const int result = SSL_write_ex(connection.tls, request_.data(), request_.size(), &count);
    if (result != 1) {
      judge(connection, result);
      return false;
    }
    connection.sent = true;
    const bool resumed = SSL_session_reused(connection.tls) == 1;
    if (!connection.fresh || resumed == connection.has_ticket) return true;
    shut(connection);
    finish(connection, resumed ? "the session was resumed" : "the session was not resumed");
    return false;
  }

  void on_event(Connection& connection, std::uint32_t events) {
    if (connection.tls == nullptr) return;
    if (!connection.busy) {
      if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return;  // tickets can wait
      ++results_.reconnects;
      return shut(connection);
    }
    if (!connection.sent && !send_request(connection)) return;
    receive(connection);
  }

  void receive(Connection& connection) {
    for (;;) {
      std::size_t count = 0;
      const int result = SSL_read_ex(connection.tls, buffer_.data(), buffer_.size(), &count);
      if (result != 1) return judge(connection, result);
      const std::string_view problem =
          connection.response.take({buffer_.data(), count}, options_.expect_bytes, results_.bytes);
      if (!problem.empty()) shut(connection);
      if (!problem.empty() || connection.response.complete()) return finish(connection, problem);
    }
  }

  void judge(Connection& connection, int result) {
    const int error = SSL_get_error(connection.tls, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
    lost(connection);
  }

  // As in http_load: a close before any byte of the answer on a connection used before is a keep-alive race.
  void lost(Connection& connection) {
    const bool race = !connection.fresh && connection.response.untouched();
    const bool shook_hands = connection.sent;
    connection.sent = false;
    shut(connection);
    if (race) {
      ++results_.reconnects;
      --busy_;
      start(connection);
    } else {
      finish(connection, shook_hands ? "closed before the end of the response" : "the handshake failed");
    }
  }

  // An empty `problem` is success. Starts what comes next.
  void finish(Connection& connection, std::string_view problem) {
    connection.busy = false;
    --busy_;
    const std::int64_t now = now_ns();
    if (problem.empty()) {
      ++results_.requests;
      results_.latency.add(now - connection.started_ns);
      connection.fresh = false;
    } else {
      results_.fail(problem);
    }
    if (per_request_ || connection.response.close_after) {
      if (!per_request_) ++results_.reconnects;
      shut(connection);
    }
    if (results_.errors >= kMaxErrors) return;
    if (now < end_ns_) start(connection);
    while (next_ < connections_.size() && (now < end_ns_ || busy_ < kOpeningAtOnce))
      start(connections_[next_++]);
  }

  void close_all() {
    for (Connection& connection : connections_) {
      if (connection.busy) results_.fail("no answer in time");
      shut(connection);
    }
    for (const Connection& connection : connections_)
      SSL_SESSION_free(connection.session);
    SSL_CTX_free(context_);
  }

  const Options& options_;
  int epoll_;
  SSL_CTX* context_;
  bool per_request_ = false;
  std::string request_;
  std::vector<Connection> connections_;
  std::size_t next_ = 0;  // the first connection that has not been started
  std::int64_t begin_ns_ = 0;
  std::int64_t end_ns_ = 0;
  std::size_t busy_ = 0;
  unsigned turn_ = 0;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  Results results_;
};

}  // namespace

Results run_tls(const Options& options) {
  TlsLoad load(options);
  return options.mode == "idle" ? load.idle() : load.closed();
}

}  // namespace azulb::bench
