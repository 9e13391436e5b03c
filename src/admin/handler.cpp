#include "azulb/admin/handler.hpp"

#include <openssl/crypto.h>
#include <strings.h>

#include "azulb/admin/pages.hpp"

namespace azulb::admin {
namespace {

struct Page {
  std::string_view path;
  std::string_view help;
  AdminReply (*make)(const AdminSources& sources);
};

AdminReply text_reply(int status, std::string body) {
  AdminReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

AdminReply make_index(const AdminSources& sources);

AdminReply make_metrics(const AdminSources& sources) {
  AdminReply reply =
      text_reply(200, metrics_page(sources, read_process_usage(sources.descriptor_table_threads)));
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return reply;
}

AdminReply make_state(const AdminSources& sources) {
  AdminReply reply = text_reply(200, state_page(sources));
  reply.content_type = "application/json";
  return reply;
}

AdminReply make_health(const AdminSources&) {
  return text_reply(200, "ok\n");
}

AdminReply make_readiness(const AdminSources& sources) {
  Readiness result = readiness(sources);
  return text_reply(result.ready ? 200 : 503, std::move(result.text));
}

constexpr Page pages[] = {
    {"/", "this list", make_index},
    {"/metrics", "metrics for Prometheus", make_metrics},
    {"/state", "process, listeners, upstreams and servers as JSON", make_state},
    {"/healthz", "200 while azulb lives", make_health},
    {"/readyz", "200, or 503 while draining or when an upstream has no available server", make_readiness},
};

std::string page_list() {
  std::string list;
  for (const Page& page : pages) {
    list += page.path;
    list.append(page.path.size() < 10 ? 10 - page.path.size() : 1, ' ');
    list += page.help;
    list += '\n';
  }
  return list;
}

AdminReply make_index(const AdminSources& sources) {
  return text_reply(200, "azulb " + sources.version + "\n\n" + page_list());
}

/// RFC 6750 section 2.1; takes the same time wherever the tokens differ.
bool has_token(std::string_view authorization, std::string_view token) {
  constexpr std::string_view scheme = "Bearer ";
  if (authorization.size() < scheme.size() ||
      strncasecmp(authorization.data(), scheme.data(), scheme.size()) != 0) {
    return false;
  }
  authorization.remove_prefix(scheme.size());
  return authorization.size() == token.size() &&
         CRYPTO_memcmp(authorization.data(), token.data(), token.size()) == 0;
}

}  // namespace

AdminReply handle(const AdminRequest& request, const AdminSources& sources) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads && !sources.token.empty() && !has_token(request.authorization, sources.token)) {
    AdminReply reply = text_reply(401, "a bearer token is needed for anything but GET and HEAD\n");
    reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"azulb\"");
    return reply;
  }
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  for (const Page& page : pages) {
    if (page.path != path) continue;
    if (reads) return page.make(sources);
    AdminReply reply = text_reply(405, "this page can only be read: GET or HEAD\n");
    reply.headers.emplace_back("Allow", "GET, HEAD");
    return reply;
  }
  return text_reply(404, "there is no such page; there are\n\n" + page_list());
}

}  // namespace azulb::admin
