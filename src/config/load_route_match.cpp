// [[route]]: which requests it takes
#include <algorithm>

#include "header_names.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

/// The members of a list of strings that pass `rule`.
std::vector<Text> read_list(TableReader& table, std::string_view key, Rule rule) {
  std::vector<Text> valid;
  for (Text& text : table.texts(key).value_or(std::vector<Text>{})) {
    if (auto fault = rule(text.value)) {
      table.context().report(text, std::move(*fault));
    } else {
      valid.push_back(std::move(text));
    }
  }
  return valid;
}

std::optional<Fault> check_query_key(std::string_view value) {
  if (value.empty()) return Fault{"a query's key must not be empty"};
  return {};
}

std::optional<Fault> check_any(std::string_view) {
  return {};
}

/// A table of names and the values that they must have.
void read_pairs(TableReader& table, std::string_view key, TextPairs& pairs, Rule name_rule, Rule value_rule) {
  table.table(key, [&](TableReader& inner) {
    for (auto& [name, value] : inner.all_texts()) {
      if (auto fault = name_rule(name.value)) {
        inner.context().report(name, std::move(*fault));
      } else if (auto wrong = value_rule(value.value)) {
        inner.context().report(value, std::move(*wrong));
      } else {
        pairs.emplace_back(name.value, value.value);
      }
    }
  });
}

void read_paths(TableReader& table, Route& route) {
  table.text("path", route.path, check_path);
  table.text("path_prefix", route.path_prefix, check_path);
  table.text("path_regex", route.path_regex, check_expression);
  std::vector<std::string_view> paths;
  for (const std::string_view key : {"path", "path_prefix", "path_regex"}) {
    if (table.has(key)) paths.push_back(key);
  }
  std::sort(paths.begin(), paths.end(), [&](std::string_view left, std::string_view right) {
    return table.position_of(left) < table.position_of(right);
  });
  for (std::size_t index = 1; index < paths.size(); ++index)
    table.report(paths[index], {"a route has at most one of path, path_prefix and path_regex"});
}

}  // namespace

void read_route_match(TableReader& table, Route& route, References& references) {
  for (const Text& text : read_list(table, "listener", check_name)) {
    route.listener.push_back(text.value);
    references.listeners_of_routes.push_back(text);
  }
  for (const Text& text : read_list(table, "host", check_host_pattern))
    route.host.push_back(to_lower(text.value));
  for (const Text& text : read_list(table, "methods", check_method))
    route.methods.push_back(text.value);
  read_paths(table, route);
  read_pairs(table, "match_headers", route.match_headers, check_matched_header, check_field_value);
  read_pairs(table, "match_query", route.match_query, check_query_key, check_any);
}

}  // namespace azulb::config
