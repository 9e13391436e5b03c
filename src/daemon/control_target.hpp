// Which azulb the commands talk to, and which server they mean.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "azulb/admin/local_client.hpp"
#include "azulb/base/result.hpp"

namespace azulb::daemon {

using Json = nlohmann::ordered_json;

struct TargetOptions {
  std::string config;
  std::string admin;
  std::string token;
  std::string token_file;
};

/// -c, --admin, --token and --token-file.
void add_target_options(CLI::App& command, TargetOptions& options);

/// --admin, else what the file says, else $AZULB_ADMIN, else 127.0.0.1:9900. The token: --token,
/// --token-file, $AZULB_TOKEN, or the file's.
base::Result<admin::LocalClient> find_azulb(const TargetOptions& options);

/// An answer's JSON; the error is the answer's own sentence where its status is no success.
struct Refusal {
  int exit_status = 0;
  std::string message;
  Json answer = {};  // azulb's whole answer, if it gave one
};
using Asked = tl::expected<Json, Refusal>;
Asked get(const admin::LocalClient& client, const std::string& path);
Asked post(const admin::LocalClient& client, const std::string& path, const Json& body);
/// For what takes azulb a while: waits so long for the answer.
Asked post(const admin::LocalClient& client, const std::string& path, const Json& body,
           base::Milliseconds limit);

/// "/servers/app", percent-encoded where that is needed.
std::string upstream_path(const std::string& upstream);

struct FoundServer {
  std::string label;  // "app/app1"
  std::string path;   // "/servers/app/app1"
};
/// One whose name in its upstream is known.
FoundServer named_server(const std::string& upstream, const std::string& name);
/// By "server" (a name or address that only one upstream has) or "upstream/server".
tl::expected<FoundServer, Refusal> find_server(const admin::LocalClient& client, const std::string& wanted);

/// For terminals: control characters, which could be commands to it, become "?".
std::string printable(std::string text);

}  // namespace azulb::daemon
