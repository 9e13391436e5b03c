#include "table_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "azulb/config/nearest.hpp"

namespace azulb::config {

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

bool TableReader::is_misspelled(std::string_view key) const {
  if (has(key)) return false;
  return std::any_of(table_.begin(), table_.end(), [&](const auto& entry) {
    const std::string_view written = entry.first.str();
    const bool is_known = std::find(known_.begin(), known_.end(), written) != known_.end();
    return !is_known && !nearest(written, {key}).empty();
  });
}

Position TableReader::position_of(std::string_view key) const {
  const auto found = table_.find(key);
  return found == table_.end() ? position_ : begin_of(found->first.source());
}

void TableReader::report(std::string_view key, Fault fault) {
  context_.report(position_of(key), path_of(key), std::move(fault));
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
