#include "azulb/proxy/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <string_view>

#include "azulb/base/random.hpp"
#include "azulb/config/nearest.hpp"
#include "azulb/http/forwarded.hpp"
#include "azulb/http/hop_by_hop.hpp"
#include "azulb/http/normal_path.hpp"
#include "azulb/proxy/server_request.hpp"

namespace azulb::proxy {
namespace {

constexpr std::size_t longest_request_bytes = std::size_t{64} * 1024;
constexpr std::uint16_t http_port = 80;
constexpr std::uint16_t https_port = 443;

struct Url {
  bool tls = false;
  std::string_view authority;
  http::Authority parts;
  std::uint16_t port = 0;
  bool port_given = false;
  std::string target;  // origin-form
};

base::Result<Url> parse_url(std::string_view text) {
  Url url;
  if (text.starts_with("https://")) {
    url.tls = true;
  } else if (!text.starts_with("http://")) {
    return base::failure(fmt::format("\"{}\" is no URL: it begins with http:// or https://", text));
  }
  text.remove_prefix(url.tls ? 8 : 7);
  text = text.substr(0, text.find('#'));
  const std::size_t end = text.find_first_of("/?");
  url.authority = text.substr(0, end);
  if (!http::parse_authority(url.authority, url.parts))
    return base::failure(fmt::format("\"{}\" is no host", url.authority));
  url.port_given = !url.parts.port.empty();
  url.port = url.tls ? https_port : http_port;
  if (url.port_given) url.port = static_cast<std::uint16_t>(std::stoul(std::string(url.parts.port)));
  url.target = end == std::string_view::npos ? "/" : std::string(text.substr(end));
  if (url.target.front() == '?') url.target.insert(url.target.begin(), '/');
  if (!http::is_target_text(url.target))
    return base::failure("the path holds a byte that must be percent-encoded");
  return url;
}

bool listens_on(const config::Listener& listener, std::uint16_t port) {
  return std::any_of(listener.address.begin(), listener.address.end(), [port](const base::HostPort& address) {
    return !address.is_unix && address.port == port;
  });
}

base::Result<std::uint32_t> find_listener(const config::Config& config, const AskedRequest& asked,
                                          const Url& url) {
  std::vector<std::string_view> names;
  std::vector<std::uint32_t> of_scheme;
  for (std::uint32_t index = 0; index < config.listeners.size(); ++index) {
    const config::Listener& listener = config.listeners[index];
    names.emplace_back(listener.name);
    if (listener.name == asked.listener) return index;
    if (!asked.listener.empty() || listener.tls.has_value() != url.tls) continue;
    if (listens_on(listener, url.port)) return index;
    of_scheme.push_back(index);
  }
  if (!asked.listener.empty()) {
    const std::string nearest = config::nearest(asked.listener, names);
    return base::failure("no listener " + asked.listener +
                         (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
  }
  // Without a port the URL is that of the outside, where ports are often mapped.
  if (!url.port_given && of_scheme.size() == 1) return of_scheme.front();
  return base::failure(fmt::format("no listener speaks {} on port {}: name one of {} with --listener",
                                   url.tls ? "https" : "http", url.port, fmt::join(names, ", ")));
}

/// The request as a codec would have told it: fields, head and what was judged of them.
class BuiltRequest {
 public:
  base::Result<void> build(const AskedRequest& asked, const Url& url) {
    if (!http::is_token(asked.method)) return base::failure("\"" + asked.method + "\" is no method");
    bool has_host = false;
    for (const auto& [name, value] : asked.headers)
      has_host |= http::field_id(name) == http::FieldId::host;
    if (!has_host) fields_.push(http::make_field("Host", url.authority));
    for (const auto& [name, value] : asked.headers) {
      if (fields_.full()) return base::failure("too many header fields");
      if (!http::is_token(name) || !http::is_field_value(value))
        return base::failure(
            std::string("\"").append(name).append(": ").append(value).append("\" is no header field"));
      fields_.push(http::make_field(name, value));
    }
    request.head.method_name = asked.method;
    request.head.method = http::method_of(asked.method);
    request.head.target = url.target;
    request.head.fields = fields_.fields();
    request.head.present = fields_.present();
    return {};
  }

  void forward(const config::Listener& listener, const base::IpAddress& client, std::uint16_t port) {
    const http::ConnectionFacts facts{
        .peer = client,
        .tls = listener.tls.has_value(),
        .port = port,
        .trusted_proxies = listener.trusted_proxies,
        .verifies_clients = listener.tls && listener.tls->client_verify != config::ClientVerify::off,
        .client_subject = {}};
    http::judge_forwarded(
        facts, request.head, request.info,
        [](void* random) { return static_cast<base::Random*>(random)->next(); }, &random_, request.forwarded);
    http::mark_hop_by_hop(request.head);
  }

  void normalise_path() {
    http::Target& target = request.info.target;
    path_.resize(target.path.size());
    path_.resize(http::write_normal_path(target.path, path_.data()));
    if (!target.path_normal) target.path = path_;
  }

  http::Request request;

 private:
  http::FieldList fields_{101};
  std::string path_;
  base::Random random_ = base::Random::from_system();
};

std::string reason_of(const balance::ServerState& server) {
  const balance::ServerWord word = server.word();
  std::string reason;
  const auto add = [&reason](std::string text) { reason += (reason.empty() ? "" : ", ") + std::move(text); };
  if (!word.enabled()) add(std::string(balance::to_string(word.admin_state())));
  if (word.health() == balance::Health::unknown) add("not checked yet");
  if (word.health() == balance::Health::down) {
    const std::string& why = server.health_tracker().state_reason();
    add(why.empty() ? "down" : "down: " + why);
  }
  if (word.ejected()) add("ejected for its errors");
  if (word.eligible() && !server.has_room(word)) add("at its max_connections");
  return reason.empty() ? "up" : reason;
}

std::string written_head(const http::RequestHeadOut& out) {
  std::string text(longest_request_bytes, '\0');
  text.resize(std::min(http::write_request_head(out, text.data(), text.size()), text.size()));
  return text;
}

void explain_upstream(const UpstreamSnapshot& upstream, http::Request& request, const RouteRules& rules,
                      std::string_view listener, Explanation& found) {
  const balance::UpstreamState& state = *upstream.state;
  found.upstream = upstream.index;
  found.by_chance = upstream.config->balance == config::Balance::random_two;
  if (upstream.config->balance == config::Balance::hash)
    found.hash_value = hash_value(upstream.config->hash_key, request);
  for (std::uint32_t index = 0; index < state.server_count(); ++index)
    found.servers.push_back({index, state.server(index).eligible(), reason_of(state.server(index))});
  found.chosen = state.preview(choice_for(upstream, request));
  if (found.chosen) {
    HeaderScratch scratch;
    found.sent_head =
        written_head(head_for_server(upstream, *found.chosen, request, rules, listener, scratch));
  } else {
    found.status = 503;
  }
}

void explain_own_answer(const config::Route& route, const config::Listener& listener,
                        const http::Request& request, Explanation& found) {
  if (!route.redirect) {
    found.status = route.respond->status;
    return;
  }
  found.status = route.redirect->status;
  std::array<char, 16 * 1024> location;
  const std::size_t size = write_redirect_location(*route.redirect, request, listener.tls ? "https" : "http",
                                                   location.data(), location.size());
  found.location.assign(location.data(), std::min(size, location.size()));
}

}  // namespace

base::Result<Explanation> explain(const Snapshot& snapshot, const AskedRequest& asked) {
  const config::Config& config = snapshot.config();
  const auto url = parse_url(asked.url);
  if (!url) return tl::unexpected<base::Error>(url.error());
  const auto client = base::IpAddress::parse(asked.client);
  if (!client) return base::failure("\"" + asked.client + "\" is no address to come from");
  const auto listener = find_listener(config, asked, *url);
  if (!listener) return tl::unexpected<base::Error>(listener.error());

  Explanation found;
  found.listener = *listener;
  BuiltRequest built;
  if (auto done = built.build(asked, *url); !done) return tl::unexpected<base::Error>(done.error());
  http::Request& request = built.request;
  if (const http::Defect defect = http::judge_request(request.head, request.info);
      defect != http::Defect::none) {
    found.refusal = http::defect_word(defect);
    found.status = http::defect_status(defect);
    return found;
  }
  built.forward(config.listeners[*listener], *client, url->port);
  built.normalise_path();
  found.path = request.info.target.path;
  found.routes = snapshot.router().explain(*listener, request);
  if (!found.routes.match) {
    found.status = 404;
    return found;
  }
  const std::uint32_t route = *found.routes.match;
  found.routes.routes.resize(route + 1);
  const RouteRules& rules = snapshot.route(route);
  if (!rules.destinations.empty()) {
    if (rules.split) found.split = rules.split->choose(request, 0);
    const Destination& destination = rules.destinations[found.split ? found.split->part : 0];
    explain_upstream(snapshot.upstream(destination.upstream), request, rules,
                     config.listeners[*listener].name, found);
  } else {
    explain_own_answer(config.routes[route], config.listeners[*listener], request, found);
  }
  return found;
}

}  // namespace azulb::proxy
