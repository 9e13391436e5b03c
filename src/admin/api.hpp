// What the routes of the admin interface are made of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/admin/handler.hpp"
#include "guard.hpp"
#include "json.hpp"

namespace azulb::admin {

/// One request that has been let in.
struct Call {
  const AdminRequest& request;
  const AdminSources& sources;
  Control& control;
  std::vector<std::string> names;  // what stands for the {…} of the route's path, decoded
  Json body;                       // of a change: an object, empty where no body came
};

struct Route {
  std::string_view method;  // GET stands for HEAD too
  std::string_view path;    // a segment {…} stands for any
  std::string_view help;
  Access access;
  AdminReply (*make)(const Call& call);
};

/// "; did you mean app1?", or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known);
/// The refusal of the first key of the body that is none of `known`.
std::optional<AdminReply> unknown_key(const Call& call, const std::vector<std::string_view>& known);

// explain_page.cpp
AdminReply explain_request(const Call& call);

// process_api.cpp
AdminReply reload_configuration(const Call& call);
AdminReply upgrade_process(const Call& call);

// server_api.cpp
AdminReply get_servers(const Call& call);
AdminReply get_upstream(const Call& call);
AdminReply get_server(const Call& call);
AdminReply add_server(const Call& call);
AdminReply remove_server(const Call& call);
AdminReply drain_server(const Call& call);
AdminReply disable_server(const Call& call);
AdminReply enable_server(const Call& call);
AdminReply weigh_server(const Call& call);

}  // namespace azulb::admin
