#include "azulb/daemon/file_access.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "azulb/base/log.hpp"

namespace azulb::daemon {
namespace {

/// Those that are files, not words.
std::vector<std::string> log_files(const config::Config& config) {
  constexpr std::array<std::string_view, 4> words{"off", "stdout", "stderr", "syslog"};
  std::vector<std::string> paths;
  for (const std::string& output : {config.log.output, config.access_log.output}) {
    if (std::find(words.begin(), words.end(), output) == words.end()) paths.push_back(output);
  }
  return paths;
}

std::vector<std::string> read_files(const config::Config& config) {
  std::vector<std::string> paths{config.source};
  for (const config::Listener& listener : config.listeners) {
    if (!listener.tls) continue;
    for (const config::Certificate& certificate : listener.tls->certificates)
      paths.insert(paths.end(), {certificate.cert, certificate.key, certificate.ocsp});
    paths.push_back(listener.tls->client_ca);
  }
  for (const config::Upstream& upstream : config.upstreams) {
    if (upstream.discover) paths.push_back(upstream.discover->file);
    if (upstream.tls) paths.insert(paths.end(), {upstream.tls->ca, upstream.tls->cert, upstream.tls->key});
  }
  std::erase(paths, "");
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

std::string directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path();
  return directory.empty() ? "." : directory;
}

bool reaches(const std::string& path, int mode) {
  return faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0;
}

}  // namespace

void create_log_files(const config::Config& config, const Account& account) {
  for (const std::string& path : log_files(config)) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC, 0640);
    if (file < 0) continue;
    if (fchown(file, account.user, account.group) != 0)
      base::log_debug("{} stays who azulb was started as", path);  // warned of below, if it matters
    close(file);
  }
}

void warn_of_files_out_of_reach(const config::Config& config, const Account& account) {
  for (const std::string& path : log_files(config)) {
    if (reaches(path, W_OK)) continue;
    base::log_warn("user {} may not write to {}: it is open now, but SIGUSR1 cannot reopen it (chown it)",
                   account.name, path);
  }
  if (config.admin && !config.admin->state_file.empty()) {
    const std::string directory = directory_of(config.admin->state_file);
    if (!reaches(directory, W_OK | X_OK))
      base::log_warn("user {} may not write to {}: admin.state_file cannot be written (chown it)",
                     account.name, directory);
  }
  for (const std::string& path : read_files(config)) {
    if (reaches(path, R_OK)) continue;
    base::log_warn("user {} may not read {}: it is loaded now, but a reload cannot (chgrp and chmod g+r)",
                   account.name, path);
  }
}

}  // namespace azulb::daemon
