#include "azulb/discovery/server_file.hpp"

#include <fmt/format.h>

#include <utility>

#include "azulb/base/log.hpp"
#include "azulb/config/load.hpp"

namespace azulb::discovery {
namespace {

/// Of the first diagnostic, in one line; the others are counted.
std::string summary_of(const std::vector<config::Diagnostic>& diagnostics) {
  const config::Diagnostic& first = diagnostics.front();
  std::string text;
  if (first.line > 0) text += fmt::format("{}:{}: ", first.line, first.column);
  if (!first.key.empty()) text += first.key + ": ";
  text += first.message;
  if (diagnostics.size() > 1) text += fmt::format(" (and {} more)", diagnostics.size() - 1);
  return text;
}

}  // namespace

ServerFile::ServerFile(net::Loop& loop, const config::Upstream& upstream, Observer observer)
    : loop_(loop),
      upstream_(upstream),
      observer_(std::move(observer)),
      watch_(loop, upstream.discover->file, [this] {
        read();
        observer_();
      }) {
  read();
}

void ServerFile::configure(const config::Upstream& upstream) {
  if (upstream == upstream_) return;
  upstream_ = upstream;
  read();
}

void ServerFile::read() {
  const bool had_failed = !health_.error.empty();
  health_.settled = true;
  const base::Result<std::string> text = config::read_small_file(path());
  if (!text) return failed(text.error().message);
  config::ServersResult servers = config::load_servers(*text, path(), upstream_);
  if (!servers) return failed(summary_of(servers.error()));
  servers_ = std::move(*servers);
  health_.error.clear();
  health_.last_success_ms = loop_.now_ms();
  if (had_failed) base::log_info("upstream {}: {} is good again", upstream_.name, path());
}

void ServerFile::failed(const std::string& reason) {
  ++health_.failures;
  if (reason == std::exchange(health_.error, reason)) return;
  const bool never_good = health_.last_success_ms < 0;
  base::log_error("upstream {}: {}: {}; {}", upstream_.name, path(), reason,
                  never_good ? "it gives no servers until it can be read" : "the servers it last gave stay");
}

}  // namespace azulb::discovery
