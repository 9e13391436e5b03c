// [[route]]
#include <algorithm>
#include <array>

#include "tables.hpp"

namespace azulb::config {
namespace {

const std::vector<std::string_view> kRedirectVariables{"scheme", "host", "target", "path", "query"};

void read_name(TableReader& table, std::size_t number, Route& route, Once& names) {
  Text name{"route-" + std::to_string(number), table.position(), table.path()};
  if (std::optional<Text> written = table.text("name")) {
    if (auto fault = check_name(written->value)) return table.context().report(*written, std::move(*fault));
    name = std::move(*written);
  }
  route.name = name.value;
  names.add(table.context(), name.value, name, "route");
}

void read_redirect(TableReader& table, Redirect& redirect) {
  static constexpr std::array<int, 5> kStatuses{301, 302, 303, 307, 308};
  int status = redirect.status;
  if (table.integer("status", status, {300, 399})) {
    if (std::find(kStatuses.begin(), kStatuses.end(), status) == kStatuses.end()) {
      table.report("status", {"the status of a redirect must be 301, 302, 303, 307 or 308, not " +
                              std::to_string(status)});
    }
    redirect.status = status;
  }
  std::optional<Text> to = table.text("to", kRedirectVariables);
  if (!table.has("to"))
    return table.report("to", {"a redirect needs \"to\"", {}, "such as to = \"https://${host}${target}\""});
  if (!to) return;
  if (auto fault = check_redirect_target(to->value)) return table.context().report(*to, std::move(*fault));
  redirect.to = std::move(to->value);
}

void read_respond(TableReader& table, Respond& respond) {
  table.integer("status", respond.status, {200, 599});
  table.text("body", respond.body);
  table.text("content_type", respond.content_type, check_field_value);
  const bool has_no_body = respond.status == 204 || respond.status == 205 || respond.status == 304;
  if (has_no_body && !respond.body.empty()) {
    table.report("body", {"a response with status " + std::to_string(respond.status) + " has no body"});
  }
}

constexpr std::int64_t kMostWeight = 1'000'000;

void read_split(TableReader& table, Route& route, References& references) {
  Once names;
  table.table_list("split", [&](TableReader& inner) {
    SplitTarget& target = route.split.emplace_back();
    if (std::optional<Text> upstream = inner.text("upstream")) {
      target.upstream = upstream->value;
      names.add(inner.context(), upstream->value, *upstream, "upstream");
      references.upstreams_of_routes.push_back(std::move(*upstream));
    } else if (inner.lacks("upstream")) {
      inner.report("upstream", {"a part of a split needs an upstream"});
    }
    inner.integer("weight", target.weight, {0, kMostWeight});
  });
  if (!table.has("split")) {
    for (const std::string_view key : {"split_key", "split_cookie"}) {
      if (table.has(key)) table.report(key, {quote(key) + " is only for a route with split"});
    }
  } else if (std::all_of(route.split.begin(), route.split.end(),
                         [](const SplitTarget& target) { return target.weight == 0; })) {
    table.report("split", {"a split needs an upstream with a weight"});
  }
  if (table.has("split_key")) read_hash_key(table, "split_key", route.split_key.emplace());
  table.text("split_cookie", route.split_cookie, check_cookie_name);
}

void read_target(TableReader& table, Route& route, References& references) {
  if (std::optional<Text> upstream = table.text("upstream")) {
    route.upstream = upstream->value;
    references.upstreams_of_routes.push_back(std::move(*upstream));
  }
  table.table("redirect", [&](TableReader& inner) { read_redirect(inner, route.redirect.emplace()); });
  table.table("respond", [&](TableReader& inner) { read_respond(inner, route.respond.emplace()); });
  read_split(table, route, references);

  std::vector<std::string_view> targets;
  for (const std::string_view key : {"upstream", "split", "redirect", "respond"}) {
    if (table.has(key)) targets.push_back(key);
  }
  if (targets.empty() && table.lacks("upstream") && table.lacks("redirect") && table.lacks("respond") &&
      table.lacks("split")) {
    table.report("upstream", {"the route " + quote(route.name) +
                              " leads nowhere: it needs upstream, split, redirect or respond"});
  }
  std::sort(targets.begin(), targets.end(), [&](std::string_view left, std::string_view right) {
    return table.position_of(left) < table.position_of(right);
  });
  for (std::size_t index = 1; index < targets.size(); ++index) {
    table.report(targets[index],
                 {"a route leads to one of upstream, split, redirect and respond; this one has " +
                  quote(targets.front()) + " already"});
  }
}

}  // namespace

void read_route(TableReader& table, std::size_t number, Route& route, Once& names, References& references) {
  read_name(table, number, route, names);
  read_route_match(table, route, references);
  read_target(table, route, references);
  read_route_rules(table, route);
  table.unsupported({"mirror", "rate_limit"});
}

}  // namespace azulb::config
