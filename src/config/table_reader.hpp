// Reads one TOML table, declaratively: each call names a key, the member it fills, and what is allowed. A key
// that is not written leaves the member's default. What is wrong is reported; the keys nobody asked for are
// reported when the reader is destroyed, with the nearest of those that were. To add a key, add one call.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "context.hpp"
#include "rules.hpp"
#include "toml.hpp"

namespace azulb::config {

/// Both ends included.
template <typename T>
struct Range {
  T least;
  T most;
};

/// A word of a choice; without a value it is one that reference.toml has and azulb not yet.
template <typename Value>
struct Choice {
  std::string_view word;
  std::optional<Value> value;
};

inline constexpr Milliseconds kLongestTimeout = 8760h;  // a year: longer is a slip of the pen
/// The most requests that a server may be said to bear at once.
inline constexpr std::int64_t kMostServerRequests = 1'000'000;

class TableReader {
 public:
  /// `path` is the table's dotted name, empty for the whole file; `position` is where diagnostics about the
  /// table as a whole point. `context` and `table` must outlive the reader.
  TableReader(Context& context, const toml::table& table, std::string path, Position position);
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;
  ~TableReader();

  Context& context() { return context_; }
  Position position() const { return position_; }
  const std::string& path() const { return path_; }
  std::string path_of(std::string_view key) const;
  /// Where `key` is written; the table's own position where it is not.
  Position position_of(std::string_view key) const;
  bool has(std::string_view key) const { return table_.contains(key); }

  /// Whether `key` is not written but a key that nobody has asked for yet is near it. That one is reported as
  /// unknown, and that is enough: the absence of `key` need not be.
  bool is_misspelled(std::string_view key) const;
  /// Neither written nor misspelled.
  bool lacks(std::string_view key) const { return !has(key) && !is_misspelled(key); }

  /// Reports at `key`, or at the table where `key` is not written.
  void report(std::string_view key, Fault fault);

  // Each returns whether `key` is written and valid.
  template <typename Integer>
  bool integer(std::string_view key, Integer& member, Range<std::int64_t> range) {
    static_assert(std::is_integral_v<Integer>);
    const std::optional<std::int64_t> value = integer_value(key, range);
    if (value) member = static_cast<Integer>(*value);
    return value.has_value();
  }
  bool boolean(std::string_view key, bool& member);
  bool number(std::string_view key, double& member, Range<double> range);
  bool duration(std::string_view key, Milliseconds& member,
                Range<Milliseconds> range = {1ms, kLongestTimeout});
  bool size(std::string_view key, std::uint64_t& member, Range<std::uint64_t> range);
  bool text(std::string_view key, std::string& member, Rule rule = nullptr);

  /// A string; the ${names} in `kept` are left alone.
  std::optional<Text> text(std::string_view key, const std::vector<std::string_view>& kept = {});
  /// A string or a list of strings. Nothing where `key` is not written or not of that type; invalid members
  /// of the list are reported and left out.
  std::optional<std::vector<Text>> texts(std::string_view key);

  template <typename Value>
  bool choice(std::string_view key, Value& member, const std::vector<Choice<Value>>& choices) {
    std::vector<std::string_view> words;
    std::vector<bool> supported;
    for (const Choice<Value>& candidate : choices) {
      words.push_back(candidate.word);
      supported.push_back(candidate.value.has_value());
    }
    const std::optional<std::size_t> index = choice_index(key, words, supported);
    if (index) member = *choices[*index].value;
    return index.has_value();
  }

  /// The node of a key that may have several types, or null; the caller judges it.
  const toml::node* node(std::string_view key);
  /// A string node with its variables replaced, or nothing, reported.
  std::optional<Text> text_of(const toml::node& node, std::string key,
                              const std::vector<std::string_view>& kept = {});
  void report_type(const toml::node& node, const std::string& key, std::string_view expected,
                   std::string hint = {});

  using Body = std::function<void(TableReader& table)>;
  using NamedBody = std::function<void(const Text& name, TableReader& table)>;
  /// [key]: false where it is not written.
  bool table(std::string_view key, const Body& body);
  /// [key.NAME] for each NAME, in file order.
  void named_tables(std::string_view key, const NamedBody& body);
  /// [[key]]: false where there is none.
  bool table_list(std::string_view key, const Body& body);
  /// Every key of this table with a string for its value, in file order: a table of free names.
  std::vector<std::pair<Text, Text>> all_texts();

  /// Keys that reference.toml has and azulb not yet: an error even at their default values.
  void unsupported(std::initializer_list<std::string_view> keys);

 private:
  using Entry = std::pair<const toml::key*, const toml::node*>;
  std::vector<Entry> entries_in_file_order() const;
  void observe(std::string_view key, bool supported);
  std::optional<std::int64_t> integer_value(std::string_view key, Range<std::int64_t> range);
  std::optional<std::size_t> choice_index(std::string_view key, const std::vector<std::string_view>& words,
                                          const std::vector<bool>& supported);

  Context& context_;
  const toml::table& table_;
  std::string path_;
  Position position_;
  std::vector<std::string> known_;
};

Position begin_of(const toml::source_region& source);
Position begin_of(const toml::node& node);

}  // namespace azulb::config
