#include "control_target.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "azulb/config/load.hpp"
#include "azulb/config/nearest.hpp"
#include "azulb/daemon/control_commands.hpp"

namespace azulb::daemon {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

base::Result<std::string> token_in(const std::string& path) {
  auto contents = config::read_small_file(path);
  if (!contents) return base::failure("cannot read --token-file " + path + ": " + contents.error().message);
  contents->erase(contents->find_last_not_of(" \t\r\n") + 1);
  return *std::move(contents);
}

Asked judged(const base::Result<admin::LocalReply>& answer) {
  if (!answer) return tl::unexpected(Refusal{control_unreachable, answer.error().message});
  Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status >= 200 && answer->status < 300 && !json.is_discarded()) return json;
  if (json.is_object() && json.contains("error") && json["error"].is_string())
    return tl::unexpected(Refusal{control_refused, json["error"].get<std::string>(), json});
  return tl::unexpected(Refusal{control_unreachable,
                                "what answers at that address is no azulb that knows this "
                                "command (status " +
                                    std::to_string(answer->status) + ")"});
}

std::string encoded(const std::string& segment) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  for (const char byte : segment) {
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') ||
                       std::string_view("-._~:").find(byte) != std::string_view::npos;
    if (plain) {
      text += byte;
    } else {
      const auto value = static_cast<unsigned char>(byte);
      text += {'%', digits[value >> 4U], digits[value & 15U]};
    }
  }
  return text;
}

}  // namespace

void add_target_options(CLI::App& command, TargetOptions& options) {
  command
      .add_option("-c,--config", options.config,
                  "Configuration file to take the admin address and token from")
      ->type_name("FILE");
  command
      .add_option("--admin", options.admin,
                  "Admin address, such as 127.0.0.1:9900 (the default) or unix:/run/azulb.sock [AZULB_ADMIN]")
      ->type_name("ADDRESS");
  command
      .add_option("--token", options.token,
                  "Token; others can see it in the process list, so rather: [AZULB_TOKEN]")
      ->type_name("TOKEN");
  command.add_option("--token-file", options.token_file, "File that holds the token")->type_name("FILE");
}

base::Result<admin::LocalClient> find_azulb(const TargetOptions& options) {
  base::HostPort address{"127.0.0.1", 9900, false};
  std::string token = environment("AZULB_TOKEN");
  if (!options.config.empty()) {
    const auto config = config::load_file(options.config);
    if (!config) return base::failure("the configuration is not valid:\n" + config::render(config.error()));
    if (!config->admin && options.admin.empty())
      return base::failure(options.config + " has no [admin] table, so that azulb cannot be asked anything");
    if (config->admin) {
      address = config->admin->address;
      if (!config->admin->token.empty()) token = config->admin->token;
    }
  }
  const std::string given =
      options.admin.empty() && options.config.empty() ? environment("AZULB_ADMIN") : options.admin;
  if (!given.empty()) {
    auto parsed = base::parse_host_port(given);
    if (!parsed) return base::failure("\"" + given + "\" is no address: " + parsed.error().message);
    address = *std::move(parsed);
  }
  if (!options.token_file.empty()) {
    auto contents = token_in(options.token_file);
    if (!contents) return tl::unexpected<base::Error>(contents.error());
    token = *std::move(contents);
  }
  if (!options.token.empty()) token = options.token;
  return admin::LocalClient(std::move(address), std::move(token));
}

Asked get(const admin::LocalClient& client, const std::string& path) {
  return judged(client.get(path));
}

Asked post(const admin::LocalClient& client, const std::string& path, const Json& body) {
  return judged(client.post(path, body.dump()));
}

Asked post(const admin::LocalClient& client, const std::string& path, const Json& body,
           base::Milliseconds limit) {
  return judged(client.post(path, body.dump(), limit));
}

std::string upstream_path(const std::string& upstream) {
  return "/servers/" + encoded(upstream);
}

FoundServer named_server(const std::string& upstream, const std::string& name) {
  return {upstream + "/" + name, upstream_path(upstream) + "/" + encoded(name)};
}

tl::expected<FoundServer, Refusal> find_server(const admin::LocalClient& client, const std::string& wanted) {
  const auto servers = get(client, "/servers");
  if (!servers) return tl::unexpected(servers.error());
  std::vector<FoundServer> found;
  std::vector<std::string> labels;
  for (const Json& upstream : servers->value("upstreams", Json::array())) {
    const std::string upstream_name = upstream.value("name", "");
    for (const Json& server : upstream.value("servers", Json::array())) {
      const std::string name = server.value("name", "");
      const std::string address = server.value("address", "");
      labels.push_back(fmt::format("{}/{}", upstream_name, name));
      const std::string path = upstream_path(upstream_name) + "/" + encoded(name);
      // A full name is meant exactly; of the others there must be only one.
      if (wanted == labels.back()) return FoundServer{labels.back(), path};
      if (wanted == name || wanted == address || wanted == fmt::format("{}/{}", upstream_name, address))
        found.push_back({labels.back(), path});
    }
  }
  if (found.size() == 1) return std::move(found.front());
  if (!found.empty()) {
    std::string message = "there are several servers " + wanted + ": which of";
    for (const FoundServer& server : found)
      message += " " + server.label;
    return tl::unexpected(Refusal{control_refused, message + "?"});
  }
  std::vector<std::string_view> known;
  for (const std::string& label : labels) {
    known.emplace_back(label);
    if (wanted.find('/') == std::string::npos) known.back().remove_prefix(label.find('/') + 1);
  }
  const std::string nearest = config::nearest(wanted, known);
  return tl::unexpected(
      Refusal{control_refused,
              "there is no server " + wanted + (nearest.empty() ? "" : "; did you mean " + nearest + "?")});
}

std::string printable(std::string text) {
  for (char& byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value == 0x7f) byte = '?';
  }
  return text;
}

}  // namespace azulb::daemon
