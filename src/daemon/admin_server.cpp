#include "azulb/daemon/admin_server.hpp"

#include <utility>
#include <vector>

namespace azulb::daemon {

namespace {

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
      server_(loop, *this, {}) {
  for (const net::BoundSocket& socket : sockets_)
    server_.listen(socket);
}

void AdminServer::handle(admin::LocalExchange& exchange) {
  const http::RequestHead& head = exchange.request().head;
  const admin::AdminReply reply = admin::handle({.method = head.method_name,
                                                 .path = exchange.request().info.target.path,
                                                 .host = exchange.request().info.host,
                                                 .authorization = value_of(head, "Authorization"),
                                                 .origin = value_of(head, "Origin"),
                                                 .fetch_site = value_of(head, "Sec-Fetch-Site"),
                                                 .fetch_mode = value_of(head, "Sec-Fetch-Mode"),
                                                 .content_type = value_of(head, "Content-Type"),
                                                 .body = exchange.body()},
                                                sources_(), control_);
  std::vector<http::Field> fields;
  for (const auto& [name, value] : reply.headers)
    fields.push_back(http::make_field(name, value));
  exchange.respond(
      {.status = reply.status, .content_type = reply.content_type, .body = reply.body, .fields = fields});
}

}  // namespace azulb::daemon
