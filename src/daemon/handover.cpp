#include "azulb/daemon/handover.hpp"

#include <nlohmann/json.hpp>

namespace azulb::daemon {
namespace {

using Json = nlohmann::json;

constexpr std::size_t longest_reason = std::size_t{32} * 1024;  // a message leaves whole, or not at all

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

HandedSockets sockets_of(const Json& json) {
  return {.listener = json.at("listener"),
          .managed = json.at("managed"),
          .named = json.at("named"),
          .descriptors = json.at("descriptors")};
}

}  // namespace

std::string Handover::text() const {
  Json groups = Json::array();
  for (const HandedSockets& of_address : sockets) {
    groups.push_back({{"listener", of_address.listener},
                      {"managed", of_address.managed},
                      {"named", of_address.named},
                      {"descriptors", of_address.descriptors}});
  }
  return dumped({{"predecessor", predecessor},
                 {"channel", channel},
                 {"pid_file", pid_file},
                 {"servers", servers},
                 {"sockets", groups}});
}

base::Result<Handover> Handover::parse(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    Handover handover{.predecessor = json.at("predecessor"),
                      .channel = json.at("channel"),
                      .pid_file = json.at("pid_file"),
                      .servers = json.value("servers", -1),
                      .sockets = {}};
    for (const Json& of_address : json.at("sockets"))
      handover.sockets.push_back(sockets_of(of_address));
    return handover;
  } catch (const Json::exception& error) {
    return base::failure(std::string(variable) + " is none that azulb sets: " + error.what());
  }
}

std::string ready_message(const std::vector<int>& left) {
  return dumped({{"ready", true}, {"left", left}});
}

std::string failed_message(const std::string& reason) {
  return dumped({{"failed", reason.substr(0, longest_reason)}});
}

std::string serve_message() {
  return dumped({{"serve", true}});
}

SuccessorMessage parse_successor_message(const std::string& text) {
  SuccessorMessage message;
  try {
    const Json json = Json::parse(text);
    message.failed = json.value("failed", "");
    message.ready = json.value("ready", false);
    message.left = json.value("left", std::vector<int>());
  } catch (const Json::exception&) {
    return {};
  }
  return message;
}

bool is_serve_message(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  return json.is_object() && json.contains("serve") && json["serve"] == true;
}

}  // namespace azulb::daemon
