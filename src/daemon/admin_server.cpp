#include "azulb/daemon/admin_server.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "awaited_reply.hpp"
#include "azulb/admin/pages.hpp"
#include "event_stream.hpp"

namespace azulb::daemon {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t watchers_limit = 32;
constexpr base::Milliseconds event_interval = 1s;
// Several servers often change at once.
constexpr base::Milliseconds change_delay = 50ms;

std::string_view value_of(const http::RequestHead& head, std::string_view name) {
  const http::Field* field = http::find_field(head.fields, name);
  return field != nullptr ? field->value : std::string_view();
}

}  // namespace

AdminServer::AdminServer(net::Loop& loop, std::vector<net::BoundSocket> sockets, Sources sources,
                         admin::Control& control)
    : sockets_(std::move(sockets)),
      sources_(std::move(sources)),
      control_(control),
      loop_(loop),
      server_(loop, *this, {}) {
  for (const net::BoundSocket& socket : sockets_)
    server_.listen(socket);
}

AdminServer::~AdminServer() = default;

void AdminServer::stop() {
  timer_.stop();
  server_.stop();
}

std::vector<HandedSockets> AdminServer::handed() const {
  std::vector<HandedSockets> handed;
  for (const net::BoundSocket& socket : sockets_)
    handed.push_back({.listener = "",
                      .managed = socket.is_managed(),
                      .named = false,
                      .descriptors = {socket.descriptor()}});
  return handed;
}

void AdminServer::give_up(const std::vector<int>& left) {
  for (net::BoundSocket& socket : sockets_) {
    if (std::find(left.begin(), left.end(), socket.descriptor()) == left.end()) socket.give_up();
  }
}

void AdminServer::drain() {
  watchers_.for_each([](EventStream& watcher) { watcher.end(); });
  server_.drain();
}

void AdminServer::begin_events(admin::LocalExchange& exchange, const admin::LocalAnswer& answer) {
  if (watcher_count_ >= watchers_limit) {
    return exchange.respond({.status = 503, .body = "too many watch already\n"});
  }
  auto stream = std::make_unique<EventStream>(exchange);
  EventStream& watcher = *stream;
  exchange.attach(std::move(stream));
  if (!exchange.begin(answer)) return;
  watchers_.push_back(watcher);
  ++watcher_count_;
  if (!timer_.running()) loop_.timers().list(event_interval).start(timer_);
}

void AdminServer::send_events() {
  watcher_count_ = 0;
  change_told_ = false;
  if (watchers_.empty()) return;
  const std::string event = admin::events_page(sources_());
  watchers_.for_each([&](EventStream& watcher) {
    ++watcher_count_;
    watcher.send(event);
  });
  loop_.timers().list(event_interval).start(timer_);
}

void AdminServer::changed() {
  if (watchers_.empty() || std::exchange(change_told_, true)) return;
  loop_.timers().list(change_delay).start(timer_);
}

void AdminServer::handle(admin::LocalExchange& exchange) {
  const http::RequestHead& head = exchange.request().head;
  admin::AdminReply reply = admin::handle({.method = head.method_name,
                                           .path = exchange.request().info.target.path,
                                           .host = exchange.request().info.host,
                                           .authorization = value_of(head, "Authorization"),
                                           .origin = value_of(head, "Origin"),
                                           .fetch_site = value_of(head, "Sec-Fetch-Site"),
                                           .fetch_mode = value_of(head, "Sec-Fetch-Mode"),
                                           .content_type = value_of(head, "Content-Type"),
                                           .accept = value_of(head, "Accept"),
                                           .body = exchange.body()},
                                          sources_(), control_);
  if (!reply.later) return answer(exchange, reply);
  auto awaited = std::make_unique<AwaitedReply>(exchange);
  const auto waiting = awaited->exchange();
  exchange.attach(std::move(awaited));
  reply.later([this, waiting](const admin::AdminReply& late) {
    // (Where somebody waits, this server is still there.)
    if (*waiting != nullptr) answer(*std::exchange(*waiting, nullptr), late);
  });
}

void AdminServer::answer(admin::LocalExchange& exchange, const admin::AdminReply& reply) {
  std::vector<http::Field> fields;
  for (const auto& [name, value] : reply.headers)
    fields.push_back(http::make_field(name, value));
  const admin::LocalAnswer answer{
      .status = reply.status, .content_type = reply.content_type, .body = reply.body, .fields = fields};
  if (reply.events) return begin_events(exchange, answer);
  exchange.respond(answer);
}

}  // namespace azulb::daemon
