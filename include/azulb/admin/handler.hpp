// The admin interface without its sockets: one request in, one reply out. Main thread only.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azulb/admin/sources.hpp"

namespace azulb::admin {

struct AdminRequest {
  std::string_view method;
  std::string_view target;         // origin-form; a query is ignored
  std::string_view authorization;  // the field's value; empty: none
};

struct AdminReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;  // for HEAD too: whoever sends the reply leaves it out and keeps its length
  std::vector<std::pair<std::string, std::string>>
      headers;  // besides the type and length: Allow, WWW-Authenticate
};

/// GET and HEAD of /, /metrics, /state, /healthz and /readyz; 404 elsewhere. Any other method: 401 without
/// the right bearer token where one is configured, else 405 with Allow.
AdminReply handle(const AdminRequest& request, const AdminSources& sources);

}  // namespace azulb::admin
