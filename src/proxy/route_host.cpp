#include "route_host.hpp"

#include "azulb/base/address.hpp"
#include "azulb/http/bytes.hpp"

namespace azulb::proxy {
namespace {

std::string_view normal_ipv6(std::string_view host, HostBuffer& out) {
  if (host.size() < 2 || !host.ends_with(']')) return {};
  const auto address = base::IpAddress::parse(host.substr(1, host.size() - 2));
  if (!address) return {};
  out[0] = '[';
  const std::size_t length = address->format(out.data() + 1);
  out[length + 1] = ']';
  return {out.data(), length + 2};
}

}  // namespace

std::string_view normal_host(std::string_view host, HostBuffer& out) {
  if (host.starts_with('[')) return normal_ipv6(host, out);
  std::size_t size = 0;
  for (std::size_t at = 0; at < host.size(); ++at) {
    char byte = host[at];
    if (byte == '%' && at + 2 < host.size() && http::hex_value(host[at + 1]) >= 0 &&
        http::hex_value(host[at + 2]) >= 0) {
      byte = static_cast<char>(http::hex_value(host[at + 1]) * 16 + http::hex_value(host[at + 2]));
      at += 2;
    }
    if (size == out.size()) return {};
    out[size++] = http::to_lower(byte);
  }
  if (size > 0 && out[size - 1] == '.') --size;
  return {out.data(), size};
}

}  // namespace azulb::proxy
