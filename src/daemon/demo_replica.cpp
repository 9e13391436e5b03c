#include "demo_replica.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>

#include "azulb/http/lookup.hpp"
#include "azulb/http/status.hpp"
#include "azulb/net/timers.hpp"
#include "demo_websocket.hpp"

namespace azulb::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t longest_delay_ms = 60'000;
constexpr std::int64_t usual_delay_ms = 1'000;

constexpr std::string_view pages =
    "Not here. This replica has /, /health, /slow?ms=N, /status/NNN, /events and /ws (WebSocket).\n";

/// Digits only, up to `most`.
std::optional<std::int64_t> parse_number(std::string_view text, std::int64_t most) {
  if (text.empty() || text.size() > 9) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return std::min(value, most);
}

/// Answers after a while.
class SlowAnswer final : public admin::LocalStream {
 public:
  SlowAnswer(admin::LocalExchange& exchange, const std::string& replica, std::int64_t delay_ms)
      : exchange_(exchange), replica_(replica), delay_ms_(delay_ms) {
    exchange.loop().timers().start(timer_, std::chrono::milliseconds(delay_ms));
  }
  void on_closed() override { timer_.stop(); }

 private:
  void on_timeout() {
    const std::string text = fmt::format("{}\nThis took {} ms.\n", replica_, delay_ms_);
    const std::array fields{http::make_field("X-Replica", replica_)};
    exchange_.respond({.body = text, .fields = fields});
  }

  admin::LocalExchange& exchange_;
  const std::string& replica_;
  const std::int64_t delay_ms_;
  net::MemberTimer<SlowAnswer, &SlowAnswer::on_timeout> timer_{*this};
};

/// Server-sent events until the client leaves.
class EventStream final : public admin::LocalStream {
 public:
  EventStream(admin::LocalExchange& exchange, const std::string& replica)
      : exchange_(exchange), replica_(replica), interval_(exchange.loop().timers().list(1s)) {}

  /// The answer has begun.
  void start() { on_timeout(); }
  void on_closed() override { timer_.stop(); }

 private:
  void on_timeout() {
    ++count_;
    exchange_.write(
        fmt::format("id: {}\ndata: event {} from {}\n\n", count_, count_, replica_));  // dropped if behind
    interval_.start(timer_);
  }

  admin::LocalExchange& exchange_;
  const std::string& replica_;
  net::TimerList& interval_;
  net::MemberTimer<EventStream, &EventStream::on_timeout> timer_{*this};
  std::uint64_t count_ = 0;
};

}  // namespace

void DemoReplica::handle(admin::LocalExchange& exchange) {
  constexpr std::string_view status_prefix = "/status/";
  const std::string_view path = exchange.request().info.target.path;
  if (path == "/") {
    show_request(exchange);
  } else if (path == "/health") {
    health(exchange);
  } else if (path == "/health/up" || path == "/health/down") {
    set_health(exchange, path == "/health/up");
  } else if (path == "/slow") {
    slow(exchange);
  } else if (path.starts_with(status_prefix)) {
    status(exchange, path.substr(status_prefix.size()));
  } else if (path == "/events") {
    events(exchange);
  } else if (path == "/ws") {
    websocket(exchange);
  } else {
    answer(exchange, 404, pages);
  }
}

void DemoReplica::answer(admin::LocalExchange& exchange, int status, std::string_view text) const {
  const std::array fields{http::make_field("X-Replica", name_)};
  exchange.respond({.status = status, .body = text, .fields = fields});
}

void DemoReplica::show_request(admin::LocalExchange& exchange) const {
  const http::RequestHead& head = exchange.request().head;
  fmt::memory_buffer text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "{}\n\nThe request as this replica sees it:\n  {} {} HTTP/1.{}\n", name_,
                 head.method_name, head.target, head.version_minor);
  for (const http::Field& field : head.fields)
    fmt::format_to(out, "  {}: {}\n", field.name, field.value);
  if (!exchange.body().empty()) fmt::format_to(out, "and a body of {} bytes\n", exchange.body().size());
  answer(exchange, 200, std::string_view(text.data(), text.size()));
}

void DemoReplica::health(admin::LocalExchange& exchange) const {
  answer(exchange, healthy_ ? 200 : 503, healthy_ ? "ok\n" : "down\n");
}

void DemoReplica::set_health(admin::LocalExchange& exchange, bool healthy) {
  if (exchange.request().head.method != http::Method::post) {
    const std::array fields{http::make_field("Allow", "POST")};
    exchange.respond({.status = 405, .body = "This takes POST.\n", .fields = fields});
    return;
  }
  healthy_ = healthy;
  answer(exchange, 200, fmt::format("{} now says that it is {}\n", name_, healthy ? "up" : "down"));
}

void DemoReplica::slow(admin::LocalExchange& exchange) const {
  const std::optional<std::string_view> written =
      http::find_query(exchange.request().info.target.query_string(), "ms");
  const std::optional<std::int64_t> delay_ms =
      written ? parse_number(*written, longest_delay_ms) : usual_delay_ms;
  if (!delay_ms) {
    answer(exchange, 400, "ms takes a number of milliseconds, such as /slow?ms=2000\n");
    return;
  }
  exchange.attach(std::make_unique<SlowAnswer>(exchange, name_, *delay_ms));
}

void DemoReplica::status(admin::LocalExchange& exchange, std::string_view code) const {
  const std::int64_t status = parse_number(code, 1000).value_or(0);
  if (code.size() != 3 || status < 200 || status > 599) {
    answer(exchange, 400, "/status/ takes a code from 200 to 599\n");
    return;
  }
  const int value = static_cast<int>(status);
  const bool has_body = value != 204 && value != 205 && value != 304;
  answer(exchange, value,
         has_body ? fmt::format("{} {} from {}\n", value, http::reason_phrase(value), name_) : "");
}

void DemoReplica::events(admin::LocalExchange& exchange) const {
  auto stream = std::make_unique<EventStream>(exchange, name_);
  EventStream& events = *stream;
  exchange.attach(std::move(stream));
  const std::array fields{http::make_field("X-Replica", name_),
                          http::make_field("Cache-Control", "no-store")};
  if (exchange.begin({.content_type = "text/event-stream", .fields = fields})) events.start();
}

void DemoReplica::websocket(admin::LocalExchange& exchange) const {
  if (!exchange.request().info.websocket) {
    const std::array fields{http::make_field("Upgrade", "websocket"),
                            http::make_field("Connection", "Upgrade")};
    exchange.respond({.status = 426, .body = "This page speaks WebSocket.\n", .fields = fields});
    return;
  }
  exchange.attach(std::make_unique<WebsocketEcho>(exchange));
  exchange.upgrade();
}

}  // namespace azulb::daemon
