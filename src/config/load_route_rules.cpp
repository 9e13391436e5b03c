// [[route]]: what it makes of the requests that it takes
#include "azulb/base/template.hpp"
#include "azulb/config/header_variables.hpp"
#include "header_names.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

constexpr std::uint64_t kMostBodyBytes = std::uint64_t{1} << 50U;

void read_values(TableReader& table, std::string_view key, TextPairs& pairs, Rule name_rule,
                 std::span<const std::string_view> variables) {
  table.table(key, [&](TableReader& inner) {
    for (auto& [name, value] : inner.all_texts()) {
      if (auto fault = name_rule(name.value)) {
        inner.context().report(name, std::move(*fault));
      } else if (auto wrong = check_field_value(value.value)) {
        inner.context().report(value, std::move(*wrong));
      } else if (const auto compiled = base::Template::compile(value.value, variables); !compiled) {
        inner.context().report(value, {compiled.error().message});
      } else {
        pairs.emplace_back(name.value, value.value);
      }
    }
  });
}

void read_header_rules(TableReader& route, std::string_view key, HeaderRules& rules, Rule name_rule,
                       std::span<const std::string_view> variables) {
  route.table(key, [&](TableReader& table) {
    for (const Text& name : table.texts("remove").value_or(std::vector<Text>{})) {
      if (auto fault = name_rule(name.value)) {
        table.context().report(name, std::move(*fault));
      } else {
        rules.remove.push_back(name.value);
      }
    }
    read_values(table, "set", rules.set, name_rule, variables);
    read_values(table, "add", rules.add, name_rule, variables);
  });
}

template <typename Value>
void take(const TableReader& table, std::string_view key, const Value& value, std::optional<Value>& member) {
  if (table.has(key)) member = value;
}

void read_route_retry(TableReader& table, RouteRetry& retry) {
  Retry written;
  read_retry(table, written);
  if (table.has("budget"))
    table.report("budget", {"the budget for retries is the upstream's: set it in its [retry]"});
  take(table, "on", written.on, retry.on);
  take(table, "attempts", written.attempts, retry.attempts);
  take(table, "timeout", written.timeout, retry.timeout);
  take(table, "buffer", written.buffer, retry.buffer);
  take(table, "backoff", written.backoff, retry.backoff);
}

void read_route_limit(TableReader& table, RouteLimit& limit) {
  std::uint64_t body = 0;
  if (table.size("body", body, {0, kMostBodyBytes})) limit.body = body;
}

/// What azulb answers itself reaches no server.
void check_use(TableReader& table, const Route& route) {
  if (!route.redirect && !route.respond) return;
  for (const std::string_view key :
       {"strip_prefix", "add_prefix", "request_headers", "timeout", "retry", "limit", "priority"}) {
    if (table.has(key)) table.report(key, {quote(key) + " is only for routes that lead to an upstream"});
  }
}

}  // namespace

void read_route_rules(TableReader& table, Route& route) {
  table.text("strip_prefix", route.strip_prefix, check_path_or_nothing);
  table.text("add_prefix", route.add_prefix, check_path_or_nothing);
  constexpr std::span<const std::string_view> variables(header_variables);
  read_header_rules(table, "request_headers", route.request_headers, check_request_header,
                    variables.first(variables.size() - 1));
  read_header_rules(table, "response_headers", route.response_headers, check_response_header, variables);
  table.duration("timeout", route.timeout, {0ms, kLongestTimeout});
  table.table("retry", [&](TableReader& inner) { read_route_retry(inner, route.retry); });
  table.table("limit", [&](TableReader& inner) { read_route_limit(inner, route.limit); });
  table.choice<Priority>("priority", route.priority,
                         {{"high", Priority::high}, {"normal", Priority::normal}, {"low", Priority::low}});
  check_use(table, route);
}

}  // namespace azulb::config
