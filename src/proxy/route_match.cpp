#include "route_match.hpp"

#include <algorithm>

#include "azulb/base/assert.hpp"
#include "azulb/http/lookup.hpp"
#include "azulb/http/normal_path.hpp"

namespace azulb::proxy {
namespace {

constexpr std::uint32_t method_bit(http::Method method) {
  return std::uint32_t{1} << static_cast<unsigned>(method);
}

template <typename Write>
std::string rewritten(std::string_view path, Write write) {
  std::string out(path.size(), '\0');
  out.resize(write(path, out.data()));
  return out;
}

}  // namespace

RouteMatch::RouteMatch(const config::Route& route, const std::vector<config::Listener>& listeners) {
  if (!route.listener.empty()) {
    for (const config::Listener& listener : listeners) {
      listeners_.push_back(std::find(route.listener.begin(), route.listener.end(), listener.name) !=
                           route.listener.end());
    }
  }
  any_method_ = route.methods.empty();
  for (const std::string& name : route.methods) {
    const http::Method method = http::method_of(name);
    if (method == http::Method::other) {
      other_methods_.push_back(name);
    } else {
      methods_ |= method_bit(method);
    }
  }
  for (const auto& [name, value] : route.match_headers)
    headers_.push_back({name, http::field_id(name), value});
  query_ = route.match_query;
  if (!route.path_regex.empty()) {
    path_kind_ = PathKind::expression;
    auto compiled = base::Expression::compile(route.path_regex);
    AZULB_ASSERT(compiled.has_value());  // the loader lets no other through
    expression_ = *std::move(compiled);
  }
  const std::string& path = route.path.empty() ? route.path_prefix : route.path;
  if (path.empty()) return;
  path_kind_ = route.path.empty() ? PathKind::prefix : PathKind::exact;
  path_ = rewritten(path, http::write_normal_path);
  separated_path_ = rewritten(path_, http::write_separators_decoded);
}

RouteMismatch RouteMatch::judge(const Asked& asked) const {
  // Most routes ask for little of this.
  if (!listeners_.empty() && !listener_matches(asked)) return RouteMismatch::listener;
  if (path_kind_ != PathKind::any && !path_matches(asked)) return RouteMismatch::path;
  if (!any_method_ && !method_matches(asked)) return RouteMismatch::method;
  if (!headers_.empty() && !headers_match(asked)) return RouteMismatch::header;
  return query_.empty() || query_matches(asked) ? RouteMismatch::none : RouteMismatch::query;
}

bool RouteMatch::listener_matches(const Asked& asked) const {
  return asked.listener < listeners_.size() && listeners_[asked.listener];
}

bool RouteMatch::path_matches(const Asked& asked) const {
  const std::string_view wanted = path(asked.reading);
  switch (path_kind_) {
    case PathKind::any:
      return true;
    case PathKind::exact:
      return asked.path == wanted;
    case PathKind::prefix:
      if (wanted == "/") return true;
      if (!asked.path.starts_with(wanted)) return false;
      return asked.path.size() == wanted.size() || wanted.back() == '/' || asked.path[wanted.size()] == '/';
    case PathKind::expression:
      return expression_->found_in(asked.path);
  }
  return false;
}

bool RouteMatch::method_matches(const Asked& asked) const {
  const http::RequestHead& head = asked.request.head;
  if (head.method != http::Method::other) return (methods_ & method_bit(head.method)) != 0;
  return std::find(other_methods_.begin(), other_methods_.end(), head.method_name) != other_methods_.end();
}

/// One field of each name must have just the value. What does not reach servers is not looked at.
bool RouteMatch::headers_match(const Asked& asked) const {
  const http::RequestHead& head = asked.request.head;
  return std::all_of(headers_.begin(), headers_.end(), [&](const Header& wanted) {
    if (!head.has(wanted.id)) return false;
    return std::any_of(head.fields.begin(), head.fields.end(), [&](const http::Field& field) {
      return field.id == wanted.id && !field.drop && field.value == wanted.value &&
             http::equal_ignore_case(field.name, wanted.name);
    });
  });
}

bool RouteMatch::query_matches(const Asked& asked) const {
  const std::string_view query = asked.request.info.target.query_string();
  return std::all_of(query_.begin(), query_.end(),
                     [&](const auto& wanted) { return http::query_has(query, wanted.first, wanted.second); });
}

}  // namespace azulb::proxy
