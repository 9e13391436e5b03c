// The admin interface without its sockets: one request in, one reply out. Main thread only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azulb/admin/control.hpp"
#include "azulb/admin/sources.hpp"

namespace azulb::admin {

/// Views into the request; a field that did not come is empty.
struct AdminRequest {
  std::string_view method = {};
  std::string_view path = {};  // without its query
  std::string_view host = {};
  std::string_view authorization = {};
  std::string_view origin = {};
  std::string_view fetch_site = {};  // Sec-Fetch-Site
  std::string_view fetch_mode = {};  // Sec-Fetch-Mode
  std::string_view content_type = {};
  std::string_view accept = {};
  std::string_view body = {};
};

struct AdminReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;  // for HEAD too: whoever sends the reply leaves it out and keeps its length
  std::vector<std::pair<std::string, std::string>> headers;  // besides the type and length
  bool events = false;  // `body` is the first of server-sent events; the others are events_page()

  using Receiver = std::function<void(AdminReply reply)>;
  /// If set, the reply takes time, and the rest of this is no reply yet: to be called once, with who receives
  /// it from the loop.
  std::function<void(Receiver receive)> later;
};

/// Pages and API, docs/admin-api.md. Refused before anything is looked up: what a page of another site sent
/// (403), a change without the right bearer token where one is configured (401), a change that is not JSON
/// (415). Errors are JSON: {"error": "a sentence"}.
AdminReply handle(const AdminRequest& request, const AdminSources& sources, Control& control);

}  // namespace azulb::admin
