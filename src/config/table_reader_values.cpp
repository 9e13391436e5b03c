// The readers of single values; table_reader.cpp has those of tables.
#include <fmt/format.h>

#include <algorithm>

#include "azulb/base/units.hpp"
#include "azulb/config/nearest.hpp"
#include "table_reader.hpp"

namespace azulb::config {
namespace {

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

/// The key itself, without the path before it, as messages name it.
std::string_view last_part(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string join(const std::vector<std::string_view>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

template <typename T, typename Format>
Fault out_of_range(std::string_view key, const T& value, const Range<T>& range, const Format& format) {
  return {fmt::format("\"{}\" must be between {} and {}, not {}", key, format(range.least),
                      format(range.most), format(value))};
}

}  // namespace

void TableReader::report_type(const toml::node& node, const std::string& key, std::string_view expected,
                              std::string hint) {
  context_.report(begin_of(node), key,
                  {fmt::format("{} must be {}, not {}", quote(last_part(key)), expected, type_name(node)),
                   {},
                   std::move(hint)});
}

std::optional<std::int64_t> TableReader::integer_value(std::string_view key, Range<std::int64_t> range) {
  const toml::node* found = node(key);
  if (found == nullptr) return {};
  if (!found->is_integer()) {
    report_type(*found, path_of(key), "an integer");
    return {};
  }
  const std::int64_t value = found->as_integer()->get();
  if (value >= range.least && value <= range.most) return value;
  const auto format = [](std::int64_t shown) { return std::to_string(shown); };
  context_.report(begin_of(*found), path_of(key), out_of_range(key, value, range, format));
  return {};
}

bool TableReader::boolean(std::string_view key, bool& member) {
  const toml::node* const found = node(key);
  if (found == nullptr) return false;
  const toml::value<bool>* const value = found->as_boolean();
  if (value == nullptr) {
    report_type(*found, path_of(key), "true or false");
    return false;
  }
  member = value->get();
  return true;
}

bool TableReader::number(std::string_view key, double& member, Range<double> range) {
  const toml::node* found = node(key);
  if (found == nullptr) return false;
  const std::optional<double> value = found->is_number() ? found->value<double>() : std::nullopt;
  if (!value) {
    report_type(*found, path_of(key), "a number");
    return false;
  }
  if (!(*value >= range.least && *value <= range.most)) {  // this way round it refuses nan as well
    const auto format = [](double shown) { return fmt::format("{}", shown); };
    context_.report(begin_of(*found), path_of(key), out_of_range(key, *value, range, format));
    return false;
  }
  member = *value;
  return true;
}

bool TableReader::duration(std::string_view key, Milliseconds& member, Range<Milliseconds> range) {
  const toml::node* found = node(key);
  if (found == nullptr) return false;
  if (!found->is_string()) {
    report_type(*found, path_of(key), "a duration in quotes",
                R"(write it with its unit, such as "250ms" or "1m30s")");
    return false;
  }
  const std::optional<Text> text = text_of(*found, path_of(key));
  if (!text) return false;
  const base::Result<Milliseconds> value = base::parse_duration(text->value);
  if (!value) {
    context_.report(*text, {value.error().message});
    return false;
  }
  if (*value < range.least || *value > range.most) {
    context_.report(*text, out_of_range(key, *value, range, base::format_duration));
    return false;
  }
  member = *value;
  return true;
}

bool TableReader::size(std::string_view key, std::uint64_t& member, Range<std::uint64_t> range) {
  const toml::node* found = node(key);
  if (found == nullptr) return false;
  if (!found->is_string()) {
    report_type(*found, path_of(key), "a size in quotes",
                R"(write it in bytes or with a unit, such as "512" or "16KiB")");
    return false;
  }
  const std::optional<Text> text = text_of(*found, path_of(key));
  if (!text) return false;
  const base::Result<std::uint64_t> value = base::parse_size(text->value);
  if (!value) {
    context_.report(*text, {value.error().message});
    return false;
  }
  if (*value < range.least || *value > range.most) {
    context_.report(*text, out_of_range(key, *value, range, base::format_size));
    return false;
  }
  member = *value;
  return true;
}

bool TableReader::text(std::string_view key, std::string& member, Rule rule) {
  std::optional<Text> value = text(key);
  if (!value) return false;
  if (rule != nullptr) {
    if (std::optional<Fault> fault = rule(value->value)) {
      context_.report(*value, std::move(*fault));
      return false;
    }
  }
  member = std::move(value->value);
  return true;
}

std::optional<Text> TableReader::text(std::string_view key, const std::vector<std::string_view>& kept) {
  const toml::node* found = node(key);
  if (found == nullptr) return {};
  return text_of(*found, path_of(key), kept);
}

std::optional<Text> TableReader::text_of(const toml::node& node, std::string key,
                                         const std::vector<std::string_view>& kept) {
  if (!node.is_string()) {
    report_type(node, key, "a string");
    return {};
  }
  Text text{node.as_string()->get(), begin_of(node), std::move(key)};
  if (!context_.expand(text, kept)) return {};
  return text;
}

std::optional<std::vector<Text>> TableReader::texts(std::string_view key) {
  const toml::node* found = node(key);
  if (found == nullptr) return {};
  std::vector<Text> values;
  if (const toml::array* list = found->as_array()) {
    std::size_t number = 0;
    for (const toml::node& element : *list) {
      if (auto value = text_of(element, fmt::format("{}[{}]", path_of(key), ++number)))
        values.push_back(std::move(*value));
    }
    return values;
  }
  if (!found->is_string()) {
    report_type(*found, path_of(key), "a string or a list of strings");
    return {};
  }
  std::optional<Text> value = text_of(*found, path_of(key));
  if (!value) return {};
  values.push_back(std::move(*value));
  return values;
}

std::optional<std::size_t> TableReader::choice_index(std::string_view key,
                                                     const std::vector<std::string_view>& words,
                                                     const std::vector<bool>& supported) {
  const std::optional<Text> value = text(key);
  if (!value) return {};
  const auto found = std::find(words.begin(), words.end(), value->value);
  if (found == words.end()) {
    context_.report(
        *value, {fmt::format("{} must be one of {}; not {}", quote(key), join(words), quote(value->value)),
                 nearest(value->value, words)});
    return {};
  }
  const auto index = static_cast<std::size_t>(found - words.begin());
  if (supported[index]) return index;
  context_.report(*value, {quote(value->value) + " is not supported yet"});
  return {};
}

}  // namespace azulb::config
