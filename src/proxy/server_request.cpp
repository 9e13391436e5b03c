#include "azulb/proxy/server_request.hpp"

#include "azulb/balance/hash_key.hpp"
#include "azulb/http/lookup.hpp"

namespace azulb::proxy {
namespace {

std::string_view host_for_server(const UpstreamSnapshot& upstream, std::uint32_t server,
                                 const http::Request& request) {
  switch (upstream.host_header) {
    case HostHeader::preserve:
      return request.info.host;
    case HostHeader::server:
      return upstream.state->server(server).address();
    case HostHeader::literal:
      return upstream.config->host_header;
  }
  return {};
}

}  // namespace

std::string_view hash_value(const config::HashKey& key, const http::Request& request) {
  switch (key.kind) {
    case config::HashKeyKind::client_ip:
      return request.forwarded.client_ip;
    case config::HashKeyKind::path:
      return request.info.target.path;
    case config::HashKeyKind::host:
      return request.info.authority.host;
    case config::HashKeyKind::header: {
      const http::Field* field = http::find_field(request.head.fields, key.name);
      return field != nullptr ? field->value : std::string_view();
    }
    case config::HashKeyKind::cookie:
      return http::find_cookie(request.head, key.name).value_or(std::string_view());
    case config::HashKeyKind::query:
      return http::find_query(request.info.target.query_string(), key.name).value_or(std::string_view());
  }
  return {};
}

balance::Choice choice_for(const UpstreamSnapshot& upstream, const http::Request& request) {
  balance::Choice choice;
  if (upstream.config->balance == config::Balance::hash)
    choice.hash = balance::hash_key(hash_value(upstream.config->hash_key, request));
  return choice;
}

http::RequestHeadOut head_for_server(const UpstreamSnapshot& upstream, std::uint32_t server,
                                     http::Request& request, const RouteRules& rules,
                                     std::string_view listener, HeaderScratch& scratch) {
  http::RequestHeadOut out;
  out.head = &request.head;
  rules.path.apply(request.info.target.path, out);
  out.query = request.info.target.query;
  out.host = host_for_server(upstream, server, request);
  out.forwarded = &request.forwarded;
  out.expect_continue = request.info.expect_continue;
  out.body = request.info.body;
  out.content_length = request.info.content_length;
  out.te_trailers = request.info.accepts_trailers;
  out.upgrade = request.info.upgrade;
  if (!rules.request_headers.empty()) {
    const HeaderFacts facts{.request = request,
                            .listener = listener,
                            .route = rules.config->name,
                            .upstream = upstream.config->name,
                            .server = upstream.state->server(server).name()};
    out.own = rules.request_headers.apply(request.head.fields, facts, scratch);
  }
  return out;
}

}  // namespace azulb::proxy
