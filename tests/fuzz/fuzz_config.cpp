// Any text at all: the loader gives a whole Config or at least one diagnostic with a place, and never
// crashes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "azulb/base/assert.hpp"
#include "azulb/config/load.hpp"

namespace {

using azulb::config::Config;
using azulb::config::Diagnostic;
using azulb::config::LoadOptions;
using azulb::config::LoadResult;
using azulb::config::Route;

/// An outside world of two variables and one file, the same on every machine.
LoadOptions small_world() {
  LoadOptions options;
  options.cpus = 2;
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "SET") return "value";
    if (name == "EMPTY") return "";
    return {};
  };
  options.read_file = [](const std::string& path) -> azulb::base::Result<std::string> {
    if (path == "token") return "secret\n";
    return azulb::base::failure("No such file or directory");
  };
  return options;
}

void check_diagnostics(const std::vector<Diagnostic>& diagnostics) {
  AZULB_ASSERT(!diagnostics.empty());
  const Diagnostic* previous = nullptr;
  for (const Diagnostic& diagnostic : diagnostics) {
    AZULB_ASSERT(diagnostic.line >= 1 && diagnostic.column >= 1);
    AZULB_ASSERT(!diagnostic.message.empty());
    AZULB_ASSERT(previous == nullptr || previous->line <= diagnostic.line);
    previous = &diagnostic;
  }
  const std::string rendered = azulb::config::render(diagnostics);
  AZULB_ASSERT(std::none_of(rendered.begin(), rendered.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
  }));
}

void check_config(const Config& config) {
  AZULB_ASSERT(!config.listeners.empty() && !config.routes.empty());
  for (const auto& listener : config.listeners)
    AZULB_ASSERT(!listener.address.empty());
  for (const Route& route : config.routes) {
    const int targets = (route.upstream.empty() ? 0 : 1) + (route.redirect ? 1 : 0) + (route.respond ? 1 : 0);
    AZULB_ASSERT(targets == 1 && !route.name.empty());
    AZULB_ASSERT(route.upstream.empty() ||
                 std::any_of(config.upstreams.begin(), config.upstreams.end(),
                             [&](const auto& upstream) { return upstream.name == route.upstream; }));
  }
  for (const auto& upstream : config.upstreams) {
    AZULB_ASSERT(!upstream.servers.empty());
    for (const auto& server : upstream.servers) {
      AZULB_ASSERT(!server.name.empty() && !server.address.host.empty() && server.weight >= 1);
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const LoadOptions options = small_world();
  const LoadResult result =
      azulb::config::load_text({reinterpret_cast<const char*>(data), size}, "fuzz.toml", options);
  if (result) {
    check_config(*result);
  } else {
    check_diagnostics(result.error());
  }
  return 0;
}
