// The form of a host that routes are matched by.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace azulb::proxy {

inline constexpr std::size_t longest_host_bytes = 253;  // RFC 1035 section 2.3.4

using HostBuffer = std::array<char, longest_host_bytes + 1>;

/// Lower case, percent-encodings decoded, without a final dot; an IPv6 address in brackets in its one
/// standard spelling. Empty for what can be no configured host. A view into `out`.
std::string_view normal_host(std::string_view host, HostBuffer& out);

}  // namespace azulb::proxy
