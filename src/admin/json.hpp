// How the admin interface writes JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "azulb/admin/handler.hpp"

namespace azulb::admin {

using Json = nlohmann::ordered_json;

inline AdminReply json_reply(int status, const Json& json) {
  AdminReply reply;
  reply.status = status;
  reply.content_type = "application/json";
  // Reasons and names may hold bytes that are not UTF-8.
  reply.body = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return reply;
}

inline AdminReply error_reply(int status, std::string sentence) {
  return json_reply(status, {{"error", std::move(sentence)}});
}

}  // namespace azulb::admin
