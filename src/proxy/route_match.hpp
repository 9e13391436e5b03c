// One route's conditions, compiled, and what of a request they are held against.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/expression.hpp"
#include "azulb/config/config.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/proxy/router.hpp"

namespace azulb::proxy {

enum class PathKind : std::uint8_t { any, exact, prefix, expression };

/// How a path is read: as it stands in its normal form, or with what might be slashes to a server taken for
/// them (http/normal_path.hpp).
enum class PathReading : std::uint8_t { normal, separated };

/// A request as the routes see it, in one reading of its path.
struct Asked {
  std::uint32_t listener = 0;
  const http::Request& request;
  std::string_view host;  // normal; empty where no route asks for one
  std::string_view path;
  PathReading reading = PathReading::normal;
};

class RouteMatch {
 public:
  RouteMatch(const config::Route& route, const std::vector<config::Listener>& listeners);

  PathKind path_kind() const { return path_kind_; }
  std::string_view path(PathReading reading) const {
    return reading == PathReading::normal ? path_ : separated_path_;
  }
  /// Whether it makes a difference how a request's path is read.
  bool depends_on_path() const { return path_kind_ != PathKind::any; }

  /// The first condition that a request does not meet, the host aside. Any thread.
  RouteMismatch judge(const Asked& asked) const;

 private:
  bool listener_matches(const Asked& asked) const;
  bool path_matches(const Asked& asked) const;
  bool method_matches(const Asked& asked) const;
  bool headers_match(const Asked& asked) const;
  bool query_matches(const Asked& asked) const;

  struct Header {
    std::string name;
    http::FieldId id;
    std::string value;
  };

  std::vector<bool> listeners_;  // by index; empty = all
  std::uint32_t methods_ = 0;    // bits of http::Method but `other`
  std::vector<std::string> other_methods_;
  bool any_method_ = true;
  PathKind path_kind_ = PathKind::any;
  std::string path_;  // in both readings
  std::string separated_path_;
  std::optional<base::Expression> expression_;
  std::vector<Header> headers_;
  config::TextPairs query_;
};

}  // namespace azulb::proxy
