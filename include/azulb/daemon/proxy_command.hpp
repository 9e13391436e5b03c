// `azulb proxy --listen ADDRESS --to ADDRESS...`: a configuration without a file.
#pragma once

#include <string>
#include <vector>

namespace azulb::daemon {

struct ProxyOptions {
  std::vector<std::string> listen;
  std::vector<std::string> to;
  std::string balance = "round_robin";
  std::string health;  // path of the health check; empty: none
  std::string admin;   // address; empty: none
  std::string access_log = "stdout";
};

/// As TOML, so that it passes through the same loader and its diagnostics as a file; `--print-config` shows
/// it.
std::string proxy_configuration(const ProxyOptions& options);

}  // namespace azulb::daemon
