#include "azulb/daemon/proxy_command.hpp"

#include <fmt/format.h>

#include <string_view>

namespace azulb::daemon {
namespace {

// A TOML basic string.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') {
      result += '\\';
      result += byte;
    } else if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) {
      result += fmt::format("\\u{:04X}", static_cast<unsigned>(byte));
    } else {
      result += byte;
    }
  }
  return result + '"';
}

std::string list(const std::vector<std::string>& texts) {
  std::string result;
  for (const std::string& text : texts)
    result += (result.empty() ? "" : ", ") + quoted(text);
  return "[" + result + "]";
}

}  // namespace

std::string proxy_configuration(const ProxyOptions& options) {
  std::string text =
      fmt::format("[access_log]\noutput = {}\nformat = \"combined\"\n", quoted(options.access_log));
  if (!options.admin.empty()) text += fmt::format("\n[admin]\naddress = {}\n", quoted(options.admin));
  text += fmt::format("\n[listener.proxy]\naddress = {}\n", list(options.listen));
  text += fmt::format("\n[upstream.servers]\nbalance = {}\nservers = {}\n", quoted(options.balance),
                      list(options.to));
  if (!options.health.empty())
    text += fmt::format("\n[upstream.servers.health]\npath = {}\n", quoted(options.health));
  return text;
}

}  // namespace azulb::daemon
