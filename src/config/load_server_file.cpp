// The file of upstream.NAME.discover: TOML, or JSON that is read as if it were.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "syntax.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

using Json = nlohmann::json;

// A list, of tables, of values: what is deeper is no list of servers.
constexpr int kMostLevels = 4;

struct TomlFromJson {
  Context& context;

  /// Puts `value` where `put` takes it; null, and what is too deep, is reported.
  template <typename Put>
  void convert(const Json& value, int level, Put put) {
    if (value.is_string()) {
      put(value.get<std::string>());
    } else if (value.is_boolean()) {
      put(value.get<bool>());
    } else if (value.is_number_integer()) {
      // Past the range of TOML it is as far out of any key's range.
      const bool is_huge = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX;
      put(is_huge ? INT64_MAX : value.get<std::int64_t>());
    } else if (value.is_number()) {
      put(value.get<double>());
    } else if (value.is_null() || level > kMostLevels) {
      context.report({0, 0}, "", {value.is_null() ? "null is no value here" : "this is nested too deeply"});
    } else if (value.is_array()) {
      put(list_of(value, level));
    } else {
      put(table_of(value, level));
    }
  }

  toml::array list_of(const Json& values, int level) {
    toml::array list;
    for (const Json& value : values)
      convert(value, level + 1,
              [&](auto&& converted) { list.push_back(std::forward<decltype(converted)>(converted)); });
    return list;
  }

  toml::table table_of(const Json& object, int level) {
    toml::table table;
    for (const auto& item : object.items()) {
      convert(item.value(), level + 1, [&](auto&& converted) {
        table.insert_or_assign(item.key(), std::forward<decltype(converted)>(converted));
      });
    }
    return table;
  }
};

/// Both from 1; `byte` counts from 1, as the parser does.
Position position_of(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const std::size_t line_begin = before.rfind('\n') + 1;  // 0 where there is none
  const auto is_begin = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  const std::string_view line = before.substr(line_begin);
  return {1 + static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n')),
          1 + static_cast<std::uint32_t>(std::count_if(line.begin(), line.end(), is_begin))};
}

std::optional<toml::table> parse_json(std::string_view text, Context& context) {
  Json document;
  try {
    document = Json::parse(text);
  } catch (const Json::parse_error& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while …"
    std::string message = error.what();
    const std::size_t begin = message.find(": ");
    if (begin != std::string::npos) message.erase(0, begin + 2);
    context.report(position_of(text, error.byte), "",
                   {"this is not JSON: " + message, {}, "a list in TOML is in a file that ends in .toml"});
    return {};
  }
  TomlFromJson converter{context};
  if (document.is_object()) return converter.table_of(document, 0);
  toml::table table;
  converter.convert(document, 0, [&](auto&& converted) {
    table.insert_or_assign("servers", std::forward<decltype(converted)>(converted));
  });
  return table;
}

}  // namespace

ServersResult load_servers(std::string_view text, const std::string& source_name, const Upstream& upstream) {
  LoadOptions options;
  options.environment = [](const std::string&) { return std::nullopt; };
  Context context(text, source_name, options);
  std::vector<Server> servers;
  const bool is_toml = source_name.ends_with(".toml");
  if (const auto document = is_toml ? parse_toml(text, context) : parse_json(text, context)) {
    TableReader table(context, *document, "", {is_toml ? 1U : 0U, is_toml ? 1U : 0U});
    // A file that is being written may be empty for a moment: an upstream without servers says `servers =
    // []`.
    if (!table.has("servers") && !context.has_faults())
      table.report("servers", {"there is no list of servers", {}, "such as servers = [\"127.0.0.1:3000\"]"});
    read_servers(table, servers, true);
    check_servers(table, servers, upstream);
  }
  if (context.has_faults()) return tl::unexpected(context.take_diagnostics());
  return servers;
}

}  // namespace azulb::config
