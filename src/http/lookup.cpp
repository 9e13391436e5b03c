#include "azulb/http/lookup.hpp"

#include <cstddef>

#include "decoded.hpp"

namespace azulb::http {

std::optional<std::string_view> find_cookie(const RequestHead& head, std::string_view name) {
  if (!head.has(FieldId::cookie)) return std::nullopt;
  for (const Field& field : head.fields) {
    if (field.id != FieldId::cookie) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
      if (pair.size() <= name.size() || pair[name.size()] != '=' || !pair.starts_with(name)) continue;
      std::string_view value = pair.substr(name.size() + 1);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      return value;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> find_query(std::string_view query_string, std::string_view name) {
  while (!query_string.empty()) {
    const std::size_t end = query_string.find('&');
    const std::string_view pair = query_string.substr(0, end);
    query_string = end == std::string_view::npos ? std::string_view{} : query_string.substr(end + 1);
    if (!pair.starts_with(name)) continue;
    if (pair.size() == name.size()) return std::string_view{};
    if (pair[name.size()] == '=') return pair.substr(name.size() + 1);
  }
  return std::nullopt;
}

bool query_has(std::string_view query_string, std::string_view name, std::string_view value) {
  while (!query_string.empty()) {
    const std::size_t end = query_string.find_first_of("&;");
    const std::string_view pair = query_string.substr(0, end);
    query_string = end == std::string_view::npos ? std::string_view{} : query_string.substr(end + 1);
    const std::size_t equals = pair.find('=');
    const std::string_view given =
        equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (!pair.empty() && decodes_to(pair.substr(0, equals), name) && decodes_to(given, value)) return true;
  }
  return false;
}

}  // namespace azulb::http
