#include "header_names.hpp"

#include <algorithm>
#include <array>

namespace azulb::config {
namespace {

/// Of the connection, or said anew by azulb with every message.
constexpr std::array<std::string_view, 11> kFraming{
    "connection",       "content-length",       "expect", "http2-settings", "keep-alive",
    "proxy-connection", "sec-websocket-accept", "te",     "trailer",        "transfer-encoding",
    "upgrade"};
/// What azulb tells servers about who asks.
constexpr std::array<std::string_view, 3> kAboutClient{"remote-addr", "x-real-ip", "x-request-id"};
constexpr std::array<std::string_view, 2> kAboutClientPrefixes{"x-forwarded-", "x-ssl-client-"};

/// As servers compare it: some take "_" for "-".
std::string comparable(std::string_view name) {
  std::string text = to_lower(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

bool is_framing(const std::string& name) {
  return std::find(kFraming.begin(), kFraming.end(), name) != kFraming.end();
}

bool is_about_client(const std::string& name) {
  return std::find(kAboutClient.begin(), kAboutClient.end(), name) != kAboutClient.end() ||
         std::any_of(kAboutClientPrefixes.begin(), kAboutClientPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::optional<Fault> check_token(std::string_view name) {
  if (is_token(name)) return {};
  return Fault{quote(name) + " is not a header's name"};
}

Fault set_by_azulb(std::string_view name) {
  return Fault{quote(name) + " is azulb's to set"};
}

}  // namespace

std::optional<Fault> check_matched_header(std::string_view name) {
  if (auto fault = check_token(name)) return fault;
  const std::string text = comparable(name);
  if (text == "host") return Fault{"requests are matched by their Host with host"};
  if (is_framing(text) || is_about_client(text))
    return Fault{"requests cannot be matched by " + quote(name) + ": it does not reach servers as it came"};
  return {};
}

std::optional<Fault> check_request_header(std::string_view name) {
  if (auto fault = check_token(name)) return fault;
  const std::string text = comparable(name);
  if (text == "host") return Fault{"the Host that servers get is set with host_header of the upstream"};
  const bool of_handshake = text == "sec-websocket-key" || text == "sec-websocket-version";
  if (is_framing(text) || is_about_client(text) || of_handshake) return set_by_azulb(name);
  return {};
}

std::optional<Fault> check_response_header(std::string_view name) {
  if (auto fault = check_token(name)) return fault;
  const std::string text = comparable(name);
  if (is_framing(text) || text == "date") return set_by_azulb(name);
  return {};
}

}  // namespace azulb::config
