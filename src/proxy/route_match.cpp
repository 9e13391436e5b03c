#include "route_match.hpp"

#include <algorithm>

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
  const std::string& path = route.path.empty() ? route.path_prefix : route.path;
  if (path.empty()) return;
  path_kind_ = route.path.empty() ? PathKind::prefix : PathKind::exact;
  path_ = rewritten(path, http::write_normal_path);
  separated_path_ = rewritten(path_, http::write_separators_decoded);
}

RouteMismatch RouteMatch::judge(const Asked& asked) const {
  if (!listener_matches(asked)) return RouteMismatch::listener;
  if (!path_matches(asked)) return RouteMismatch::path;
  return method_matches(asked) ? RouteMismatch::none : RouteMismatch::method;
}

bool RouteMatch::listener_matches(const Asked& asked) const {
  return listeners_.empty() || (asked.listener < listeners_.size() && listeners_[asked.listener]);
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
  }
  return false;
}

bool RouteMatch::method_matches(const Asked& asked) const {
  if (any_method_) return true;
  const http::RequestHead& head = asked.request.head;
  if (head.method != http::Method::other) return (methods_ & method_bit(head.method)) != 0;
  return std::find(other_methods_.begin(), other_methods_.end(), head.method_name) != other_methods_.end();
}

}  // namespace azulb::proxy
