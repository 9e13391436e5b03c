// The whole file: reads its tables in turn, then holds them against each other.
#include "azulb/config/load.hpp"

#include <algorithm>
#include <utility>

#include "azulb/config/nearest.hpp"
#include "syntax.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

void read_routes(TableReader& root, Config& config, References& references) {
  Once names;
  root.table_list("route", [&](TableReader& table) {
    const std::size_t number = config.routes.size() + 1;
    read_route(table, number, config.routes.emplace_back(), names, references);
  });
}

void read_tables(TableReader& root, Config& config, References& references) {
  Once bound;
  // Not [process] alone: without it the number of workers must be found out all the same.
  static const toml::table kEmpty;
  if (!root.table("process", [&](TableReader& table) { read_process(table, config.process); })) {
    TableReader nothing(root.context(), kEmpty, "process", {});
    read_process(nothing, config.process);
  }
  root.table("log", [&](TableReader& table) { read_log(table, config.log); });
  root.table("access_log", [&](TableReader& table) { read_access_log(table, config.access_log); });
  root.named_tables("listener", [&](const Text& name, TableReader& table) {
    Listener& listener = config.listeners.emplace_back();
    listener.name = name.value;
    read_listener(table, listener, bound);
  });
  root.table("admin", [&](TableReader& table) { read_admin(table, config.admin.emplace(), bound); });
  read_routes(root, config, references);
  root.named_tables("upstream", [&](const Text& name, TableReader& table) {
    Upstream& upstream = config.upstreams.emplace_back();
    upstream.name = name.value;
    references.upstreams.push_back(name);
    read_upstream(table, upstream);
  });
}

template <typename Named>
void check_references(Context& context, const std::vector<Text>& references,
                      const std::vector<Named>& targets, std::string_view what) {
  std::vector<std::string_view> names;
  for (const Named& target : targets)
    names.push_back(target.name);
  for (const Text& reference : references) {
    if (std::find(names.begin(), names.end(), reference.value) != names.end()) continue;
    context.report(reference, {"there is no " + std::string(what) + " " + quote(reference.value),
                               nearest(reference.value, names)});
  }
}

void check_whole(TableReader& root, const Config& config, const References& references) {
  Context& context = root.context();
  check_references(context, references.upstreams_of_routes, config.upstreams, "upstream");
  check_references(context, references.listeners_of_routes, config.listeners, "listener");
  if (config.listeners.empty() && !root.is_misspelled("listener")) {
    context.report({1, 1}, "listener",
                   {"there is no listener: azulb would accept nothing",
                    {},
                    "add [listener.http] with address = \"0.0.0.0:8080\""});
  }
  if (!config.routes.empty() || root.is_misspelled("route")) return;
  if (config.upstreams.empty() && !root.is_misspelled("upstream")) {
    context.report({1, 1}, "upstream",
                   {"there is no upstream and no route: requests would lead nowhere",
                    {},
                    "add [upstream.app] with servers = [\"127.0.0.1:3000\"]"});
  } else if (config.upstreams.size() > 1) {
    context.report(references.upstreams[1],
                   {"with several upstreams there must be routes to choose between them",
                    {},
                    "add [[route]] with, say, path_prefix and upstream"});
  }
}

}  // namespace

bool Once::add(Context& context, const std::string& value, const Text& where, std::string_view what) {
  const auto [entry, is_new] = first_.emplace(value, where.position);
  if (is_new) return true;
  context.report(where, {std::string(what) + " " + quote(where.value) + " occurs twice, first in line " +
                         std::to_string(entry->second.line)});
  return false;
}

LoadResult load_text(std::string_view text, const std::string& source_name, const LoadOptions& options) {
  Context context(text, source_name, options);
  Config config;
  config.source = source_name;
  if (const std::optional<toml::table> document = parse_toml(text, context)) {
    References references;
    TableReader root(context, *document, "", {});
    read_tables(root, config, references);
    check_whole(root, config, references);
  }
  if (context.has_faults()) return tl::unexpected(context.take_diagnostics());
  if (config.routes.empty()) {
    Route& everything = config.routes.emplace_back();
    everything.name = "default";
    everything.upstream = config.upstreams.front().name;
  }
  return config;
}

LoadResult load_file(const std::string& path, const LoadOptions& options) {
  const base::Result<std::string> text = options.read_file(path);
  if (text) return load_text(*text, path, options);
  Diagnostic diagnostic;
  diagnostic.source = path;
  diagnostic.message = "cannot read the configuration: " + text.error().message;
  diagnostic.hint = "give the file with -c FILE; it must exist and be readable by the user azulb starts as";
  return tl::unexpected(std::vector<Diagnostic>{std::move(diagnostic)});
}

}  // namespace azulb::config
