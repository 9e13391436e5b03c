#include "azulb/config/difference.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>
#include <utility>

namespace azulb::config {
namespace {

template <typename Table>
struct Key {
  std::string_view name;
  bool (*equal)(const Table& before, const Table& after);
  bool at_restart = false;
};

template <auto member, typename Table>
constexpr Key<Table> key(std::string_view name, bool at_restart = false) {
  return {name, [](const Table& before, const Table& after) { return before.*member == after.*member; },
          at_restart};
}

constexpr std::array process_keys = {
    key<&Process::workers, Process>("workers"),
    key<&Process::user, Process>("user", true),
    key<&Process::group, Process>("group", true),
    key<&Process::pid_file, Process>("pid_file", true),
    key<&Process::max_connections, Process>("max_connections"),
    key<&Process::drain_timeout, Process>("drain_timeout"),
    key<&Process::upgrade_timeout, Process>("upgrade_timeout"),
    key<&Process::max_memory, Process>("max_memory"),
    key<&Process::probation, Process>("probation"),
};
constexpr std::array log_keys = {
    key<&Log::level, Log>("level"),
    key<&Log::output, Log>("output"),
    key<&Log::format, Log>("format"),
};
constexpr std::array access_log_keys = {
    key<&AccessLog::output, AccessLog>("output"),
    key<&AccessLog::format, AccessLog>("format"),
    key<&AccessLog::sample, AccessLog>("sample"),
};
constexpr std::array admin_keys = {
    key<&Admin::address, Admin>("address"),
    key<&Admin::token, Admin>("token"),
    key<&Admin::state_file, Admin>("state_file"),
};
constexpr std::array listener_keys = {
    key<&Listener::address, Listener>("address"),
    key<&Listener::backlog, Listener>("backlog"),
    key<&Listener::proxy_protocol, Listener>("proxy_protocol"),
    key<&Listener::trusted_proxies, Listener>("trusted_proxies"),
    key<&Listener::http2, Listener>("http2"),
    key<&Listener::timeout, Listener>("timeout"),
    key<&Listener::limit, Listener>("limit"),
    key<&Listener::tls, Listener>("tls"),
};
constexpr std::array route_keys = {
    key<&Route::listener, Route>("listener"),
    key<&Route::host, Route>("host"),
    key<&Route::path, Route>("path"),
    key<&Route::path_prefix, Route>("path_prefix"),
    key<&Route::path_regex, Route>("path_regex"),
    key<&Route::match_headers, Route>("match_headers"),
    key<&Route::match_query, Route>("match_query"),
    key<&Route::methods, Route>("methods"),
    key<&Route::upstream, Route>("upstream"),
    key<&Route::split, Route>("split"),
    key<&Route::split_key, Route>("split_key"),
    key<&Route::split_cookie, Route>("split_cookie"),
    key<&Route::redirect, Route>("redirect"),
    key<&Route::respond, Route>("respond"),
    key<&Route::strip_prefix, Route>("strip_prefix"),
    key<&Route::add_prefix, Route>("add_prefix"),
    key<&Route::request_headers, Route>("request_headers"),
    key<&Route::response_headers, Route>("response_headers"),
    key<&Route::timeout, Route>("timeout"),
    key<&Route::retry, Route>("retry"),
    key<&Route::limit, Route>("limit"),
    key<&Route::priority, Route>("priority"),
};
constexpr std::array upstream_keys = {
    key<&Upstream::balance, Upstream>("balance"),
    key<&Upstream::hash_key, Upstream>("hash_key"),
    key<&Upstream::hash_load_factor, Upstream>("hash_load_factor"),
    key<&Upstream::host_header, Upstream>("host_header"),
    key<&Upstream::protocol, Upstream>("protocol"),
    key<&Upstream::proxy_protocol, Upstream>("proxy_protocol"),
    key<&Upstream::max_connections, Upstream>("max_connections"),
    key<&Upstream::queue, Upstream>("queue"),
    key<&Upstream::queue_timeout, Upstream>("queue_timeout"),
    key<&Upstream::timeout, Upstream>("timeout"),
    key<&Upstream::keepalive, Upstream>("keepalive"),
    key<&Upstream::health, Upstream>("health"),
    key<&Upstream::outlier, Upstream>("outlier"),
    key<&Upstream::retry, Upstream>("retry"),
    key<&Upstream::tls, Upstream>("tls"),
};

template <typename Table>
void compare(const std::string& what, const std::string& name, const Table& before, const Table& after,
             std::span<const Key<Table>> keys, std::vector<Change>& changes) {
  Change changed{.kind = Change::Kind::changed, .what = what, .name = name, .keys = {}};
  Change postponed{.kind = Change::Kind::at_restart, .what = what, .name = name, .keys = {}};
  for (const Key<Table>& each : keys) {
    if (!each.equal(before, after)) (each.at_restart ? postponed : changed).keys.emplace_back(each.name);
  }
  for (Change* const change : {&changed, &postponed}) {
    if (!change->keys.empty()) changes.push_back(std::move(*change));
  }
}

template <typename Named>
void compare_lists(const std::string& what, const std::vector<Named>& before, const std::vector<Named>& after,
                   std::span<const Key<Named>> keys, std::vector<Change>& changes) {
  std::unordered_map<std::string_view, const Named*> known;
  for (const Named& each : before)
    known.emplace(each.name, &each);
  for (const Named& each : after) {
    if (const auto same = known.extract(each.name)) {
      compare(what, each.name, *same.mapped(), each, keys, changes);
    } else {
      changes.push_back({.kind = Change::Kind::added, .what = what, .name = each.name, .keys = {}});
    }
  }
  for (const Named& each : before) {
    if (known.contains(each.name))
      changes.push_back({.kind = Change::Kind::removed, .what = what, .name = each.name, .keys = {}});
  }
}

/// The first route that matches takes a request. Of routes that come or go that is said anyway.
bool in_another_order(const std::vector<Route>& before, const std::vector<Route>& after) {
  const auto names_of = [](const std::vector<Route>& routes) {
    std::vector<std::string_view> names;
    names.reserve(routes.size());
    for (const Route& route : routes)
      names.push_back(route.name);
    return names;
  };
  auto first = names_of(before);
  auto second = names_of(after);
  if (first == second) return false;
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  return first == second;
}

void compare_admin(const Config& before, const Config& after, std::vector<Change>& changes) {
  if (before.admin && after.admin) {
    compare<Admin>("admin", "", *before.admin, *after.admin, admin_keys, changes);
  } else if (before.admin || after.admin) {
    const auto kind = after.admin ? Change::Kind::added : Change::Kind::removed;
    changes.push_back({.kind = kind, .what = "admin", .name = "", .keys = {}});
  }
}

}  // namespace

std::string_view to_string(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::added:
      return "added";
    case Change::Kind::removed:
      return "removed";
    case Change::Kind::changed:
      return "changed";
    case Change::Kind::at_restart:
      break;
  }
  return "at_restart";
}

std::string to_string(const Change& change) {
  std::string text = change.what;
  if (!change.name.empty()) text += ' ' + change.name;
  text += ": ";
  const bool later = change.kind == Change::Kind::at_restart;
  text += later ? "changes at the next restart" : to_string(change.kind);
  std::string keys;
  for (const std::string& each : change.keys)
    keys += (keys.empty() ? "" : ", ") + each;
  if (!keys.empty()) text += " (" + keys + ')';
  return text;
}

std::vector<Change> differences(const Config& before, const Config& after) {
  std::vector<Change> changes;
  compare<Process>("process", "", before.process, after.process, process_keys, changes);
  compare<Log>("log", "", before.log, after.log, log_keys, changes);
  compare<AccessLog>("access_log", "", before.access_log, after.access_log, access_log_keys, changes);
  compare_admin(before, after, changes);
  compare_lists<Listener>("listener", before.listeners, after.listeners, listener_keys, changes);
  compare_lists<Route>("route", before.routes, after.routes, route_keys, changes);
  if (in_another_order(before.routes, after.routes))
    changes.push_back({.kind = Change::Kind::changed, .what = "routes", .name = "", .keys = {"order"}});
  compare_lists<Upstream>("upstream", before.upstreams, after.upstreams, upstream_keys, changes);
  return changes;
}

}  // namespace azulb::config
