#include "azulb/admin/handler.hpp"

#include <algorithm>
#include <optional>

#include "api.hpp"
#include "azulb/admin/pages.hpp"
#include "azulb/http/bytes.hpp"
#include "dashboard.hpp"

namespace azulb::admin {
namespace {

AdminReply text_reply(int status, std::string body) {
  AdminReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

AdminReply make_index(const Call& call);

AdminReply make_metrics(const Call& call) {
  const ProcessUsage usage = read_process_usage(call.sources.descriptor_table_threads);
  AdminReply reply = text_reply(200, metrics_page(call.sources, usage));
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return reply;
}

AdminReply make_state(const Call& call) {
  AdminReply reply = text_reply(200, state_page(call.sources));
  reply.content_type = "application/json";
  return reply;
}

AdminReply make_dashboard(const Call&) {
  AdminReply reply = text_reply(200, std::string(dashboard_page));
  reply.content_type = "text/html; charset=utf-8";
  reply.headers.emplace_back("Content-Security-Policy", dashboard_policy);
  reply.headers.emplace_back("Referrer-Policy", "no-referrer");
  return reply;
}

AdminReply make_events(const Call& call) {
  AdminReply reply = text_reply(200, events_page(call.sources));
  reply.content_type = "text/event-stream";
  reply.events = true;
  return reply;
}

AdminReply make_health(const Call&) {
  return text_reply(200, "ok\n");
}

AdminReply make_readiness(const Call& call) {
  Readiness result = readiness(call.sources);
  return text_reply(result.ready ? 200 : 503, std::move(result.text));
}

// A new page or action: its line here, its function in api.hpp, its paragraph in docs/admin-api.md.
constexpr Route routes[] = {
    {"GET", "/", "this list; for browsers the dashboard", Access::probe, make_index},
    {"GET", "/dashboard", "the dashboard", Access::read, make_dashboard},
    {"GET", "/events", "the state once a second, as server-sent events", Access::read, make_events},
    {"GET", "/metrics", "metrics for Prometheus", Access::probe, make_metrics},
    {"GET", "/healthz", "200 while azulb lives", Access::probe, make_health},
    {"GET", "/readyz", "200, or 503 while draining or when an upstream has no available server",
     Access::probe, make_readiness},
    {"GET", "/state", "process, listeners, upstreams and servers as JSON", Access::read, make_state},
    {"POST", "/reload", "read the configuration anew, and what that changed", Access::change,
     reload_configuration},
    {"POST", "/upgrade", "let the executable, started anew, take this process's place", Access::change,
     upgrade_process},
    {"POST", "/explain", "what would become of a request: {\"url\": \"http://host/path\"}", Access::ask,
     explain_request},
    {"GET", "/servers", "all upstreams and their servers as JSON", Access::read, get_servers},
    {"GET", "/servers/{upstream}", "one upstream", Access::read, get_upstream},
    {"GET", "/servers/{upstream}/{server}", "one server, by name or address", Access::read, get_server},
    {"POST", "/servers/{upstream}", "add a server: {\"address\": \"10.0.0.7:3000\"}", Access::change,
     add_server},
    {"POST", "/servers/{upstream}/{server}/remove", "take it away; what runs goes on", Access::change,
     remove_server},
    {"POST", "/servers/{upstream}/{server}/drain", "give it nothing new; what runs goes on", Access::change,
     drain_server},
    {"POST", "/servers/{upstream}/{server}/disable", "as drain, and check it no more", Access::change,
     disable_server},
    {"POST", "/servers/{upstream}/{server}/enable", "use it again", Access::change, enable_server},
    {"POST", "/servers/{upstream}/{server}/weight", "{\"weight\": N}", Access::change, weigh_server},
};

/// Percent-decoded; a malformed encoding stands for itself.
std::string decoded(std::string_view segment) {
  std::string text;
  for (std::size_t at = 0; at < segment.size(); ++at) {
    const bool encoded = segment[at] == '%' && at + 2 < segment.size() &&
                         http::hex_value(segment[at + 1]) >= 0 && http::hex_value(segment[at + 2]) >= 0;
    if (!encoded) {
      text += segment[at];
      continue;
    }
    text += static_cast<char>(http::hex_value(segment[at + 1]) * 16 + http::hex_value(segment[at + 2]));
    at += 2;
  }
  return text;
}

/// Takes the part of `rest` before its next slash, and that slash.
std::string_view take_segment(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view segment = rest.substr(0, slash);
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  return segment;
}

bool path_matches(std::string_view pattern, std::string_view path, std::vector<std::string>& names) {
  names.clear();
  if (std::count(pattern.begin(), pattern.end(), '/') != std::count(path.begin(), path.end(), '/'))
    return false;
  while (!pattern.empty()) {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view segment = take_segment(path);
    if (!wanted.starts_with('{')) {
      if (wanted != segment) return false;
    } else if (segment.empty()) {
      return false;
    } else {
      names.push_back(decoded(segment));
    }
  }
  return path.empty();
}

AdminReply make_index(const Call& call) {
  if (call.request.accept.find("text/html") != std::string_view::npos) return make_dashboard(call);
  std::string list = "azulb " + call.sources.version + "\n\n";
  constexpr std::size_t column = 44;
  for (const Route& route : routes) {
    const std::string what = std::string(route.method) + " " + std::string(route.path);
    list += what + std::string(what.size() < column ? column - what.size() : 1, ' ');
    list += std::string(route.help) + "\n";
  }
  return text_reply(200, std::move(list));
}

AdminReply unknown_path() {
  Json pages = Json::array();
  for (const Route& route : routes)
    pages.push_back(std::string(route.method) + " " + std::string(route.path));
  return json_reply(404, {{"error", "there is no such page"}, {"pages", std::move(pages)}});
}

AdminReply wrong_method(const std::string& allowed) {
  AdminReply reply = error_reply(405, "this path takes " + allowed + " only");
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

/// The body of a change: nothing, or an object.
std::optional<Json> read_body(std::string_view body) {
  if (body.empty()) return Json::object();
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

AdminReply answer(const AdminRequest& request, const AdminSources& sources, Control& control) {
  const std::string_view method = request.method == "HEAD" ? "GET" : request.method;
  Call call{request, sources, control, {}, Json::object()};
  std::string allowed;
  Access needed = Access::read;
  const Route* found = nullptr;
  for (const Route& route : routes) {
    if (!path_matches(route.path, request.path, call.names)) continue;
    allowed = route.method == "GET" ? "GET, HEAD" : std::string(route.method);
    needed = route.access == Access::probe ? Access::probe : Access::read;
    if (route.method != method) continue;
    found = &route;
    break;
  }
  if (auto refused = refusal(request, sources, found != nullptr ? found->access : needed))
    return *std::move(refused);
  if (found == nullptr) return allowed.empty() ? unknown_path() : wrong_method(allowed);
  if (request.method == "POST") {
    auto body = read_body(request.body);
    if (!body) return error_reply(400, "the body is no JSON object");
    call.body = *std::move(body);
  }
  return found->make(call);
}

/// What all replies have in common.
AdminReply finished(AdminReply reply) {
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  reply.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  return reply;
}

}  // namespace

AdminReply handle(const AdminRequest& request, const AdminSources& sources, Control& control) {
  AdminReply reply = answer(request, sources, control);
  if (!reply.later) return finished(std::move(reply));
  reply.later = [later = std::move(reply.later)](const AdminReply::Receiver& receive) {
    later([receive](AdminReply late) { receive(finished(std::move(late))); });
  };
  return reply;
}

}  // namespace azulb::admin
