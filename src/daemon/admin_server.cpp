#include "azulb/daemon/admin_server.hpp"

#include <utility>
#include <vector>

namespace azulb::daemon {

AdminServer::AdminServer(net::Loop& loop, std::vector<net::BoundSocket> sockets, Sources sources)
    : sockets_(std::move(sockets)), sources_(std::move(sources)), server_(loop, *this, {}) {
  for (const net::BoundSocket& socket : sockets_)
    server_.listen(socket);
}

void AdminServer::handle(admin::LocalExchange& exchange) {
  const http::RequestHead& head = exchange.request().head;
  const http::Field* authorization = http::find_field(head.fields, http::FieldId::authorization);
  const admin::AdminReply reply =
      admin::handle({.method = head.method_name,
                     .target = exchange.request().info.target.path,
                     .authorization = authorization != nullptr ? authorization->value : std::string_view()},
                    sources_());
  std::vector<http::Field> fields;
  for (const auto& [name, value] : reply.headers)
    fields.push_back(http::make_field(name, value));
  exchange.respond(
      {.status = reply.status, .content_type = reply.content_type, .body = reply.body, .fields = fields});
}

}  // namespace azulb::daemon
