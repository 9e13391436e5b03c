#include "table_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "azulb/base/units.hpp"
#include "nearest.hpp"

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

Position begin_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

Position begin_of(const toml::node& node) {
  return begin_of(node.source());
}

TableReader::TableReader(Context& context, const toml::table& table, std::string path, Position position)
    : context_(context), table_(table), path_(std::move(path)), position_(position) {}

TableReader::~TableReader() {
  const std::vector<std::string_view> candidates(known_.begin(), known_.end());
  for (const auto& [key, value] : table_) {
    if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
    context_.report(begin_of(key.source()), path_of(key.str()),
                    {"unknown key " + quote(key.str()), nearest(key.str(), candidates)});
  }
}

std::string TableReader::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

Position TableReader::position_of(std::string_view key) const {
  const auto found = table_.find(key);
  return found == table_.end() ? position_ : begin_of(found->first.source());
}

void TableReader::report(std::string_view key, Fault fault) {
  context_.report(position_of(key), path_of(key), std::move(fault));
}

void TableReader::report_type(const toml::node& node, const std::string& key, std::string_view expected,
                              std::string hint) {
  context_.report(begin_of(node), key,
                  {fmt::format("{} must be {}, not {}", quote(last_part(key)), expected, type_name(node)),
                   {},
                   std::move(hint)});
}

void TableReader::observe(std::string_view key, bool supported) {
  known_.emplace_back(key);
  if (context_.options().key_observer) context_.options().key_observer(path_of(key), supported);
}

const toml::node* TableReader::node(std::string_view key) {
  observe(key, true);
  return table_.get(key);
}

std::vector<TableReader::Entry> TableReader::entries_in_file_order() const {
  std::vector<Entry> entries;
  for (const auto& [key, value] : table_)
    entries.emplace_back(&key, &value);
  std::sort(entries.begin(), entries.end(), [](const Entry& left, const Entry& right) {
    return begin_of(left.first->source()) < begin_of(right.first->source());
  });
  return entries;
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

bool TableReader::table(std::string_view key, const Body& body) {
  const toml::node* found = node(key);
  if (found == nullptr) return false;
  if (const toml::table* inner = found->as_table()) {
    TableReader reader(context_, *inner, path_of(key), position_of(key));
    body(reader);
    return true;
  }
  report_type(*found, path_of(key), "a table",
              found->is_array() ? fmt::format("write [{}], in single brackets", path_of(key)) : "");
  return true;
}

void TableReader::named_tables(std::string_view key, const NamedBody& body) {
  const toml::node* found = node(key);
  if (found == nullptr) return;
  const std::string hint = fmt::format("write [{}.NAME], with a name of your choice", path_of(key));
  const toml::table* outer = found->as_table();
  if (outer == nullptr) return report_type(*found, path_of(key), "a table of tables", hint);
  TableReader names(context_, *outer, path_of(key), position_of(key));
  for (const auto& [name, value] : names.entries_in_file_order()) {
    names.known_.emplace_back(name->str());
    const Text text{std::string(name->str()), begin_of(name->source()), names.path_of(name->str())};
    const toml::table* inner = value->as_table();
    if (inner == nullptr) {
      context_.report(text, {fmt::format("{} stands where a name is expected", quote(text.value)), {}, hint});
      continue;
    }
    if (auto fault = check_name(text.value)) context_.report(text, std::move(*fault));
    TableReader reader(context_, *inner, text.key, text.position);
    body(text, reader);
  }
}

bool TableReader::table_list(std::string_view key, const Body& body) {
  const toml::node* found = node(key);
  if (found == nullptr) return false;
  const std::string hint = fmt::format("write [[{}]], in double brackets, once for each", path_of(key));
  const toml::array* list = found->as_array();
  if (list == nullptr) {
    context_.report(position_of(key), path_of(key), {quote(key) + " must be a list of tables", {}, hint});
    return true;
  }
  std::size_t number = 0;
  for (const toml::node& element : *list) {
    const std::string path = fmt::format("{}[{}]", path_of(key), ++number);
    if (const toml::table* inner = element.as_table()) {
      TableReader reader(context_, *inner, path, begin_of(element));
      body(reader);
    } else {
      report_type(element, path, "a table", hint);
    }
  }
  return true;
}

std::vector<std::pair<Text, Text>> TableReader::all_texts() {
  std::vector<std::pair<Text, Text>> values;
  for (const auto& [name, value] : entries_in_file_order()) {
    known_.emplace_back(name->str());
    const std::string key = path_of(name->str());
    if (auto text = text_of(*value, key)) {
      values.emplace_back(Text{std::string(name->str()), begin_of(name->source()), key}, std::move(*text));
    }
  }
  return values;
}

void TableReader::unsupported(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    observe(key, false);
    if (has(key)) report(key, {quote(key) + " is not supported yet"});
  }
}

}  // namespace azulb::config
