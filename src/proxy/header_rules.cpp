#include "azulb/proxy/header_rules.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "azulb/base/assert.hpp"
#include "azulb/config/header_variables.hpp"
#include "azulb/http/bytes.hpp"

namespace azulb::proxy {
namespace {

using config::HeaderVariable;

char comparable(char byte) {
  return byte == '_' ? '-' : http::to_lower(byte);
}

bool same_name(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t at = 0; at < left.size(); ++at) {
    if (comparable(left[at]) != comparable(right[at])) return false;
  }
  return true;
}

/// `digits` is for the one value that is no text.
std::string_view value_of(std::size_t variable, const HeaderFacts& facts, std::array<char, 16>& digits) {
  const http::Request& request = facts.request;
  switch (static_cast<HeaderVariable>(variable)) {
    case HeaderVariable::client_ip:
      return request.forwarded.client_ip;
    case HeaderVariable::host:
      return request.info.authority.host;
    case HeaderVariable::scheme:
      return request.forwarded.proto;
    case HeaderVariable::method:
      return request.head.method_name;
    case HeaderVariable::path:
      return request.info.target.path;
    case HeaderVariable::query:
      return request.info.target.query_string();
    case HeaderVariable::request_id:
      return request.forwarded.request_id;
    case HeaderVariable::listener:
      return facts.listener;
    case HeaderVariable::route:
      return facts.route;
    case HeaderVariable::upstream:
      return facts.upstream;
    case HeaderVariable::server:
      return facts.server;
    case HeaderVariable::status:
      const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), facts.status).ptr;
      return {digits.data(), static_cast<std::size_t>(end - digits.data())};
  }
  return {};
}

void append_value(const base::Template& value, const HeaderFacts& facts, std::string& text) {
  std::array<char, 16> digits;
  for (const base::Template::Part& part : value.parts()) {
    text += part.literal;
    if (part.variable != base::Template::no_variable) text += value_of(part.variable, facts, digits);
  }
}

}  // namespace

HeaderRules::HeaderRules(const config::HeaderRules& rules) : replaced_(rules.remove) {
  for (const auto& [name, value] : rules.set) {
    replaced_.push_back(name);
    add_line(name, value);
  }
  for (const auto& [name, value] : rules.add)
    add_line(name, value);
}

void HeaderRules::add_line(const std::string& name, const std::string& value) {
  auto compiled = base::Template::compile(value, config::header_variables);
  AZULB_ASSERT(compiled.has_value());  // the loader lets no other through
  lines_.push_back({name, http::field_id(name), *std::move(compiled)});
}

void HeaderRules::mark_replaced(std::span<http::Field> fields) const {
  for (http::Field& field : fields) {
    for (const std::string& name : replaced_)
      field.drop |= same_name(field.name, name);
  }
}

std::span<const http::Field> HeaderRules::apply(std::span<http::Field> fields, const HeaderFacts& facts,
                                                HeaderScratch& scratch) const {
  mark_replaced(fields);
  // The text may move while it grows: where each value ends in it is noted first, as the value's size.
  scratch.fields.clear();
  scratch.text.clear();
  for (const Line& line : lines_) {
    http::Field& field = scratch.fields.emplace_back();
    field = {.name = line.name, .value = line.value.literal(), .id = line.id};
    if (line.value.is_literal()) continue;
    const std::size_t begin = scratch.text.size();
    append_value(line.value, facts, scratch.text);
    field.value = {nullptr, scratch.text.size() - begin};
  }
  const char* at = scratch.text.data();
  for (std::size_t index = 0; index < lines_.size(); ++index) {
    http::Field& field = scratch.fields[index];
    if (lines_[index].value.is_literal()) continue;
    field.value = {at, field.value.size()};
    at += field.value.size();
  }
  return scratch.fields;
}

}  // namespace azulb::proxy
