// PROXY headers: a verdict stands whatever follows, nothing past the header is looked at, and what was read
// is read again from what azulb writes.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "azulb/net/proxy_header.hpp"
#include "splitter.hpp"

namespace azulb::fuzz {
namespace {

using net::ParsedProxyHeader;
using Status = ParsedProxyHeader::Status;

void check_same(const ParsedProxyHeader& one, const ParsedProxyHeader& other) {
  FUZZ_CHECK(one.status == other.status);
  FUZZ_CHECK(one.length == other.length);
  FUZZ_CHECK(one.addresses == other.addresses);
}

/// Byte by byte, as a slow proxy may send it: incomplete up to the one verdict, which never changes.
void check_prefixes(std::string_view bytes, const ParsedProxyHeader& whole) {
  bool decided = false;
  const std::size_t last = std::min(bytes.size(), net::max_proxy_header_bytes + 1);
  for (std::size_t size = 0; size <= last; ++size) {
    const Exact prefix(bytes.substr(0, size));
    const ParsedProxyHeader parsed = net::parse_proxy_header(prefix.view());
    if (parsed.status == Status::incomplete) {
      FUZZ_CHECK(!decided);
      FUZZ_CHECK(size < net::max_proxy_header_bytes);
      continue;
    }
    decided = true;
    check_same(parsed, whole);
    if (parsed.status == Status::complete) FUZZ_CHECK(parsed.length <= size);
  }
  FUZZ_CHECK(decided == (whole.status != Status::incomplete));
}

void check_rewritten(const net::ProxiedAddresses* addresses) {
  for (const int version : {1, 2}) {
    std::array<char, net::written_proxy_header_bytes> room;
    const std::size_t size = net::write_proxy_header(version, addresses, room.data());
    FUZZ_CHECK(size <= room.size());
    const ParsedProxyHeader again = net::parse_proxy_header({room.data(), size});
    FUZZ_CHECK(again.status == Status::complete);
    FUZZ_CHECK(again.length == size);
    FUZZ_CHECK(again.addresses.has_value() == (addresses != nullptr));
    if (addresses != nullptr) FUZZ_CHECK(*again.addresses == *addresses);
  }
}

}  // namespace
}  // namespace azulb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace azulb::fuzz;
  const Exact bytes({reinterpret_cast<const char*>(data), size});
  const ParsedProxyHeader whole = azulb::net::parse_proxy_header(bytes.view());
  FUZZ_CHECK((whole.status == Status::malformed) == !whole.fault.empty());
  if (whole.status == Status::complete) FUZZ_CHECK(whole.length > 0 && whole.length <= size);
  check_prefixes(bytes.view(), whole);
  check_rewritten(whole.addresses ? &*whole.addresses : nullptr);
  return 0;
}
